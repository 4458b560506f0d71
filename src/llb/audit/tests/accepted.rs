//! What a Dockerfile may well say is accepted, and reported.

use super::*;
use crate::llb::audit::{Demand, ExecDecision, ExecRequest, SourceKind};

type Change = fn(&mut Draft);

const CASES: &[(&str, Change)] = &[
    ("nothing changed", |_| {}),
    ("image pulled", |d| {
        d.attr(IMAGE, "image.resolvemode", "pull")
    }),
    ("image by default", |d| d.source_of(IMAGE).attrs.clear()),
    ("image checksum", |d| {
        d.attr(IMAGE, "image.checksum", &digest("alpine").to_string())
    }),
    ("image without tag", |d| {
        d.identifier(
            IMAGE,
            &format!(
                "docker-image://docker.io/library/alpine@{}",
                digest("alpine")
            ),
        )
    }),
    ("image with another tag", |d| {
        d.identifier(
            IMAGE,
            &format!(
                "docker-image://docker.io/library/alpine:edge@{}",
                digest("alpine")
            ),
        )
    }),
    ("registry with port", |d| {
        d.expected.images.insert(ImagePin {
            repository: "localhost:5000/x".to_owned(),
            digest: digest("x"),
        });
        d.identifier(
            IMAGE,
            &format!("docker-image://localhost:5000/x:1@{}", digest("x")),
        );
    }),
    ("platform that normalises", |d| {
        d.expected.platforms.insert(linux("arm64"));
        d.ops[IMAGE].platform = Some(Platform {
            variant: "v8".to_owned(),
            ..linux("arm64")
        });
    }),
    ("command without platform", |d| d.ops[RUN].platform = None),
    ("http mode and owner", |d| {
        d.attr(HTTP, "http.perm", "0755");
        d.attr(HTTP, "http.uid", "1000");
        d.attr(HTTP, "http.gid", "1000");
    }),
    ("http header that is expected", |d| {
        let pin = HttpPin {
            headers: strings(&[("accept", "text/plain")]),
            auth_header_secret: Some("token".to_owned()),
            ..HttpPin::from(digest("archive"))
        };
        d.expected
            .http
            .insert("https://files.example.com/a.tar.gz".to_owned(), vec![pin]);
        d.attr(HTTP, "http.header.accept", "text/plain");
        d.attr(HTTP, "http.authheadersecret", "token");
    }),
    ("two verified contents of one URL", |d| {
        let pins = vec![
            HttpPin::from(digest("older")),
            HttpPin::from(digest("archive")),
        ];
        d.expected
            .http
            .insert("https://files.example.com/a.tar.gz".to_owned(), pins);
    }),
    ("upload of the client", |d| {
        d.identifier(HTTP, UPLOAD);
        d.source_of(HTTP).attrs.remove("http.checksum");
    }),
    ("commit with checksum", |d| {
        d.attr(GIT, "git.checksum", COMMIT)
    }),
    ("branch with checksum", |d| {
        d.identifier(GIT, "git://git.example.com/org/repo.git#v1");
        d.attr(GIT, "git.checksum", COMMIT);
        d.attr(GIT, "git.fetchbycommit", "true");
    }),
    ("directory of a repository", |d| {
        d.identifier(
            GIT,
            &format!("git://git.example.com/org/repo.git#{COMMIT}:sub"),
        )
    }),
    ("git options", |d| {
        d.attr(GIT, "git.keepgitdir", "true");
        d.attr(GIT, "git.skipsubmodules", "true");
        d.attr(GIT, "git.mtime", "commit");
    }),
    ("git over SSH", |d| {
        let pin = d.expected.git["https://git.example.com/org/repo.git"].clone();
        d.expected
            .git
            .insert("git@git.example.com:org/repo.git".to_owned(), pin);
        d.attr(GIT, "git.fullurl", "git@git.example.com:org/repo.git");
        d.attr(GIT, "git.mountsshsock", "default");
        d.attr(GIT, "git.knownsshhosts", "git.example.com ssh-ed25519 AAAA");
    }),
    ("git over SSH with port", |d| {
        let pin = d.expected.git["https://git.example.com/org/repo.git"].clone();
        d.expected.git.insert(
            "ssh://git@git.example.com:2222/org/repo.git".to_owned(),
            pin,
        );
        d.attr(
            GIT,
            "git.fullurl",
            "ssh://git@git.example.com:2222/org/repo.git",
        );
        d.identifier(
            GIT,
            &format!("git://git.example.com:2222/org/repo.git#{COMMIT}"),
        );
    }),
    ("local options", |d| {
        d.attr(LOCAL, "local.includepattern", "[\"a\"]");
        d.attr(LOCAL, "local.differ", "metadata");
    }),
    ("no proxy in a build with", |d| d.meta().proxy_env = None),
    ("no hosts", |d| d.meta().extra_hosts.clear()),
    ("second output", |d| {
        d.exec().mounts[1].output = 1;
        d.exec().mounts[1].readonly = false;
        d.ops[MERGE].inputs[1].index = 1;
    }),
    ("writable mount without output", |d| {
        d.exec().mounts[1].readonly = false
    }),
    ("secret of an older BuildKit", |d| {
        d.exec().mounts[3].input = 0
    }),
    ("secret without output", |d| d.exec().mounts[3].output = -1),
    ("command on an empty root", |d| {
        d.exec().mounts[0].input = -1
    }),
    ("copy to an empty directory", |d| {
        d.actions_of(COPY)[0].input = -1
    }),
    ("no metadata fields", |d| d.metadata = OpMetadata::default()),
    ("unreachable operation", |d| {
        d.ops[END].inputs = inputs(&[COPY])
    }),
    ("Dockerfile without loader", |d| {
        d.source.infos[0].definition = None
    }),
    ("no lines", |d| d.source.locations.clear()),
    ("file of another graph of the build", |d| {
        d.expected.files.push(SourceFile {
            filename: "base.Dockerfile".to_owned(),
            data: b"FROM x".to_vec(),
        });
        d.source.infos.push(SourceInfo {
            filename: "base.Dockerfile".to_owned(),
            data: Bytes(b"FROM x".to_vec()),
            ..SourceInfo::default()
        });
    }),
    ("only an image, without a Dockerfile", |d| {
        d.ops.truncate(1);
        d.ops.push(Op {
            inputs: inputs(&[IMAGE]),
            ..Op::default()
        });
        d.source = Source::default();
    }),
];

#[test]
fn accepted() {
    for (name, change) in CASES {
        let mut draft = Draft::new();
        change(&mut draft);
        let result = draft.audit();
        assert!(result.is_ok(), "{name}: {result:?}");
    }
}

#[test]
fn the_report_says_what_is_there() {
    let report = Draft::new().audit().unwrap();
    assert_eq!(report.operations, END + 1);
    let sources: Vec<_> = report
        .sources
        .iter()
        .map(|source| (source.kind, source.pin.clone(), source.submodules))
        .collect();
    let expected = vec![
        (SourceKind::Image, Some(digest("alpine").to_string()), false),
        (SourceKind::Local, None, false),
        (SourceKind::Http, Some(digest("archive").to_string()), false),
        (SourceKind::Git, Some(COMMIT.to_owned()), true),
        (
            SourceKind::OciLayout,
            Some(digest("layout").to_string()),
            false,
        ),
    ];
    assert_eq!(sources, expected);
    assert_eq!(
        report.sources[GIT].identifier,
        "https://git.example.com/org/repo.git"
    );
    let exec = &report.execs[0];
    assert_eq!(exec.argv, ["/bin/sh", "-c", "make"]);
    assert_eq!(exec.secrets, ["env", "token"]);
    assert_eq!(exec.extra_hosts, ["db.test=192.0.2.1"]);
    assert!(exec.proxies && exec.demands.is_empty() && exec.allowed_by.is_none());
    assert_eq!(exec.lines[0].start, 4);
}

/// Allows exactly one command with exactly these demands.
struct Only(Vec<Demand>);

impl ExecPolicy for Only {
    fn judge(&self, request: &ExecRequest<'_>) -> ExecDecision {
        if request.demands == self.0 && request.argv.last().is_some_and(|arg| arg == "make") {
            ExecDecision::Allowed {
                by: "rule 1".to_owned(),
            }
        } else {
            ExecDecision::Refused {
                why: "no rule".to_owned(),
                next: "add one".to_owned(),
            }
        }
    }
}

#[test]
fn the_policy_decides_about_commands() {
    let mut draft = Draft::new();
    draft.exec().network = NetMode::Unset;
    draft.exec().security = SecurityMode::Insecure;
    draft.exec().mounts.push(Mount {
        input: -1,
        dest: "/ssh".to_owned(),
        mount_type: MountType::Ssh,
        ssh_opt: Some(SshOpt {
            id: "key".to_owned(),
            ..SshOpt::default()
        }),
        ..Mount::default()
    });
    draft.exec().cdi_devices.push(CdiDevice {
        name: "gpu".to_owned(),
        optional: false,
    });
    let mut demands = vec![
        Demand::Network,
        Demand::Insecure,
        Demand::Ssh {
            id: "key".to_owned(),
        },
        Demand::Device {
            name: "gpu".to_owned(),
        },
    ];
    let report = draft.audit_with(&Only(demands.clone())).unwrap();
    assert_eq!(report.execs[0].allowed_by.as_deref(), Some("rule 1"));
    assert_eq!(report.execs[0].demands, demands);

    demands.pop();
    assert_refused(
        "one demand more",
        draft.audit_with(&Only(demands)),
        EscapeKind::Exec,
        "no rule",
    );
}

#[test]
fn the_own_image_is_accepted_by_its_id() {
    let mut draft = Draft::new();
    draft.identifier(IMAGE, "docker-image://docker.io/org/frontend:1");
    let id = draft.definition().nodes[IMAGE].id().clone();
    assert_refused("not own", draft.audit(), EscapeKind::Digest, "no digest");
    draft.expected.own.insert(id);
    assert_eq!(draft.audit().unwrap().sources[0].kind, SourceKind::Own);
    // By its id, so nothing in it may differ.
    draft.attr(IMAGE, "image.resolvemode", "pull");
    assert_refused("changed", draft.audit(), EscapeKind::Digest, "no digest");
    // Only sources: a command is never accepted for its id.
    let mut draft = Draft::new();
    draft.exec().network = NetMode::Unset;
    let id = draft.definition().nodes[RUN].id().clone();
    draft.expected.own.insert(id);
    assert_refused("command", draft.audit(), EscapeKind::Exec, "the network");
}
