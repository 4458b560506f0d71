//! One graph that is accepted, and many that differ from it in one thing and are refused for that thing.

use super::*;
use EscapeKind as K;

type Change = fn(&mut Draft);
type Case = (&'static str, Change, EscapeKind, &'static str);

fn blob(draft: &mut Draft, op: usize, scheme: &str) {
    let identifier = format!("{scheme}://docker.io/library/alpine@{}", digest("alpine"));
    draft.identifier(op, &identifier);
    draft.source_of(op).attrs.clear();
}

fn image(draft: &mut Draft, name: &str) {
    let identifier = format!("docker-image://{name}@{}", digest("alpine"));
    draft.identifier(IMAGE, &identifier);
}

fn git(draft: &mut Draft, fragment: &str) {
    draft.identifier(
        GIT,
        &format!("git://git.example.com/org/repo.git{fragment}"),
    );
}

fn mount(draft: &mut Draft, change: impl FnOnce(&mut Mount)) {
    change(&mut draft.exec().mounts[1]);
}

// One case a line, so that they can be compared.
#[rustfmt::skip]
const SOURCES: &[Case] = &[
    ("other image", |d| image(d, "docker.io/library/busybox:3.20"), K::Source, "not verified"),
    ("other registry", |d| image(d, "registry.example.com/library/alpine:3.20"), K::Source, "not verified"),
    ("other digest", |d| { d.identifier(IMAGE, &format!("docker-image://docker.io/library/alpine:3.20@{}", digest("x"))) }, K::Digest, "another digest"),
    ("no digest", |d| d.identifier(IMAGE, "docker-image://docker.io/library/alpine:3.20"), K::Digest, "no digest"),
    ("two digests", |d| image(d, &format!("docker.io/library/alpine@{}", digest("x"))), K::Digest, "invalid digest"),
    ("short digest", |d| d.identifier(IMAGE, "docker-image://docker.io/library/alpine@sha256:00"), K::Digest, "invalid digest"),
    ("upper-case digest", |d| { d.identifier(IMAGE, &format!("docker-image://docker.io/library/alpine@sha256:{}", digest("alpine").hex().to_uppercase())) }, K::Digest, "invalid digest"),
    ("digest with query", |d| { let id = d.source_of(IMAGE).identifier.clone(); d.identifier(IMAGE, &format!("{id}?x=y")); }, K::Digest, "invalid digest"),
    ("unknown digest algorithm", |d| { d.identifier(IMAGE, &format!("docker-image://docker.io/library/alpine@md5:{}", digest("alpine").hex())) }, K::Digest, "invalid digest"),
    ("image without domain", |d| image(d, "library/alpine:3.20"), K::Identifier, "canonical"),
    ("image without library", |d| image(d, "docker.io/alpine:3.20"), K::Identifier, "canonical"),
    ("image of the index", |d| image(d, "index.docker.io/library/alpine:3.20"), K::Identifier, "canonical"),
    ("image with invalid tag", |d| image(d, "docker.io/library/alpine:3 20"), K::Identifier, "canonical"),
    ("image with empty tag", |d| image(d, "docker.io/library/alpine:"), K::Identifier, "canonical"),
    ("image with fragment", |d| image(d, "docker.io/library/alpine#x:3.20"), K::Identifier, "canonical"),
    ("image with userinfo", |d| image(d, "user@docker.io/library/alpine:3.20"), K::Digest, "invalid digest"),
    ("image with upper case", |d| image(d, "docker.io/library/Alpine:3.20"), K::Identifier, "canonical"),
    ("image with parent", |d| image(d, "docker.io/library/../library/alpine:3.20"), K::Identifier, "canonical"),
    ("image resolve mode", |d| d.attr(IMAGE, "image.resolvemode", "newest"), K::Attribute, "image.resolvemode"),
    ("image layer limit", |d| d.attr(IMAGE, "image.layerlimit", "1"), K::Attribute, "image.layerlimit"),
    ("image record type", |d| d.attr(IMAGE, "image.recordtype", "x"), K::Attribute, "image.recordtype"),
    ("image checksum of another", |d| d.attr(IMAGE, "image.checksum", &digest("x").to_string()), K::Attribute, "image.checksum"),
    ("image with a foreign attribute", |d| d.attr(IMAGE, "git.checksum", COMMIT), K::Attribute, "git.checksum"),
    ("image with an unknown attribute", |d| d.attr(IMAGE, "image.mirror", "x"), K::Attribute, "image.mirror"),
    ("image without platform", |d| d.ops[IMAGE].platform = None, K::Platform, "without a platform"),
    ("image for another platform", |d| d.ops[IMAGE].platform = Some(linux("arm64")), K::Platform, "linux/arm64"),
    ("image for another variant", |d| d.ops[IMAGE].platform.get_or_insert_default().variant = "v3".to_owned(), K::Platform, "linux/amd64/v3"),
    ("image with an input", |d| d.ops[LOCAL].inputs = inputs(&[IMAGE]), K::Input, "source has an input"),
    ("blob of an image", |d| blob(d, HTTP, "docker-image+blob"), K::Scheme, "scheme"),
    ("blob of a layout", |d| blob(d, HTTP, "oci-layout+blob"), K::Scheme, "scheme"),
    ("scheme in upper case", |d| blob(d, HTTP, "Docker-Image"), K::Scheme, "scheme"),
    ("unknown scheme", |d| d.identifier(HTTP, "ftp://files.example.com/a.tar.gz"), K::Scheme, "scheme"),
    ("no scheme", |d| d.identifier(HTTP, "files.example.com/a.tar.gz"), K::Identifier, "no URL"),
    ("empty identifier", |d| d.identifier(HTTP, ""), K::Identifier, "no URL"),
    ("other URL", |d| d.identifier(HTTP, "https://files.example.com/b.tar.gz"), K::Source, "not verified"),
    ("URL without TLS", |d| d.identifier(HTTP, "http://files.example.com/a.tar.gz"), K::Source, "not verified"),
    ("URL with query", |d| d.identifier(HTTP, "https://files.example.com/a.tar.gz?x"), K::Source, "not verified"),
    ("upload of another id", |d| { d.identifier(HTTP, "http://buildkit-session/1"); d.source_of(HTTP).attrs.remove("http.checksum"); }, K::Source, "not verified"),
    ("upload with a checksum of nothing", |d| d.identifier(HTTP, UPLOAD), K::Source, "not verified"),
    ("upload with a secret", |d| { d.identifier(HTTP, UPLOAD); d.source_of(HTTP).attrs.remove("http.checksum"); d.attr(HTTP, "http.authheadersecret", "token"); }, K::Attribute, "http.authheadersecret"),
    ("no checksum", |d| { d.source_of(HTTP).attrs.remove("http.checksum"); }, K::Digest, "no checksum"),
    ("other checksum", |d| d.attr(HTTP, "http.checksum", &digest("x").to_string()), K::Digest, "instead of"),
    ("empty checksum", |d| d.attr(HTTP, "http.checksum", ""), K::Digest, "instead of"),
    ("http file name out of its directory", |d| d.attr(HTTP, "http.filename", "../a"), K::Attribute, "http.filename"),
    ("http mode that is no number", |d| d.attr(HTTP, "http.perm", "-1"), K::Attribute, "http.perm"),
    ("http owner that is no number", |d| d.attr(HTTP, "http.uid", "x"), K::Attribute, "http.uid"),
    ("http secret", |d| d.attr(HTTP, "http.authheadersecret", "token"), K::Attribute, "http.authheadersecret"),
    ("http header", |d| d.attr(HTTP, "http.header.accept", "text/html"), K::Attribute, "http.header.accept"),
    ("http key", |d| d.attr(HTTP, "http.sig.pubkey", "x"), K::Attribute, "http.sig.pubkey"),
    ("http signature", |d| d.attr(HTTP, "http.sig.signature", "x"), K::Attribute, "http.sig.signature"),
    ("unknown http attribute", |d| d.attr(HTTP, "http.proxy", "x"), K::Attribute, "http.proxy"),
    ("no remote", |d| { d.source_of(GIT).attrs.remove("git.fullurl"); }, K::Source, "which remote"),
    ("remote other than the key", |d| { d.identifier(GIT, &format!("git://git.example.com/org/other.git#{COMMIT}")) }, K::Identifier, "key of its remote"),
    ("other commit", |d| git(d, "#1123456789abcdef0123456789abcdef01234567"), K::Digest, "instead of the verified commit"),
    ("default branch", |d| git(d, ""), K::Digest, "instead of the verified commit"),
    ("branch without checksum", |d| git(d, "#v1"), K::Digest, "instead of the verified commit"),
    ("branch with short checksum", |d| { git(d, "#v1"); d.attr(GIT, "git.checksum", "0123456789"); }, K::Digest, "with checksum"),
    ("branch with empty checksum", |d| { git(d, "#v1"); d.attr(GIT, "git.checksum", ""); }, K::Digest, "with checksum"),
    ("unexpected branch with checksum", |d| { git(d, "#v2"); d.attr(GIT, "git.checksum", COMMIT); }, K::Digest, "with checksum"),
    ("commit with another checksum", |d| d.attr(GIT, "git.checksum", "0123"), K::Digest, "with checksum"),
    ("upper-case commit", |d| git(d, &format!("#{}", COMMIT.to_uppercase())), K::Digest, "instead of the verified commit"),
    ("short commit", |d| git(d, &format!("#{}", &COMMIT[..39])), K::Digest, "instead of the verified commit"),
    ("commit with a query", |d| { d.identifier(GIT, &format!("git://git.example.com/org/repo.git?ref=x#{COMMIT}")) }, K::Identifier, "read as something else"),
    ("other directory", |d| git(d, &format!("#{COMMIT}:other")), K::Source, "takes the directory"),
    ("directory above", |d| git(d, &format!("#{COMMIT}:sub/../..")), K::Source, "takes the directory"),
    ("escaped directory", |d| git(d, &format!("#{COMMIT}:s%75b")), K::Identifier, "read as something else"),
    ("git token secret", |d| d.attr(GIT, "git.authtokensecret", "token"), K::Attribute, "git.authtokensecret"),
    ("git header secret", |d| d.attr(GIT, "git.authheadersecret", "token"), K::Attribute, "git.authheadersecret"),
    ("git keep directory", |d| d.attr(GIT, "git.keepgitdir", "yes"), K::Attribute, "git.keepgitdir"),
    ("git skip submodules", |d| d.attr(GIT, "git.skipsubmodules", "1"), K::Attribute, "git.skipsubmodules"),
    ("git times", |d| d.attr(GIT, "git.mtime", "now"), K::Attribute, "git.mtime"),
    ("git bundle", |d| d.attr(GIT, "git.bundle", "docker-image+blob://x"), K::Attribute, "git.bundle"),
    ("git bundle result", |d| d.attr(GIT, "git.checkoutbundle", "true"), K::Attribute, "git.checkoutbundle"),
    ("git bundle store", |d| d.attr(GIT, "oci.store", "x"), K::Attribute, "oci.store"),
    ("git key", |d| d.attr(GIT, "git.sig.pubkey", "x"), K::Attribute, "git.sig.pubkey"),
    ("SSH agent for HTTPS", |d| d.attr(GIT, "git.mountsshsock", "default"), K::Attribute, "git.mountsshsock"),
    ("SSH hosts for HTTPS", |d| d.attr(GIT, "git.knownsshhosts", "x"), K::Attribute, "git.knownsshhosts"),
    ("unknown git attribute", |d| d.attr(GIT, "git.mirror", "x"), K::Attribute, "git.mirror"),
    ("other local name", |d| d.identifier(LOCAL, "local://home"), K::Source, "does not use"),
    ("empty local name", |d| d.identifier(LOCAL, "local://"), K::Source, "does not use"),
    ("no session", |d| { d.source_of(LOCAL).attrs.remove("local.session"); }, K::Source, "any client"),
    ("other session", |d| d.attr(LOCAL, "local.session", "other"), K::Attribute, "local.session"),
    ("session with name", |d| d.attr(LOCAL, "local.session", "gateway:sid"), K::Attribute, "local.session"),
    ("unique local", |d| d.attr(LOCAL, "local.unique", "x"), K::Attribute, "local.unique"),
    ("local without content", |d| d.attr(LOCAL, "local.metadatatransfer", "true"), K::Attribute, "local.metadatatransfer"),
    ("local patterns", |d| d.attr(LOCAL, "local.includepattern", "*"), K::Attribute, "local.includepattern"),
    ("local differ", |d| d.attr(LOCAL, "local.differ", "x"), K::Attribute, "local.differ"),
    ("layout with another digest", |d| { d.identifier(OCI, &format!("oci-layout://docker.io/library/base@{}", digest("x"))) }, K::Digest, "another digest"),
    ("other store", |d| d.attr(OCI, "oci.store", "other"), K::Source, "OCI layout"),
    ("other client's store", |d| d.attr(OCI, "oci.session", "other"), K::Source, "OCI layout"),
    ("no store", |d| { d.source_of(OCI).attrs.remove("oci.store"); }, K::Source, "OCI layout"),
    ("layout layer limit", |d| d.attr(OCI, "oci.layerlimit", "1"), K::Attribute, "oci.layerlimit"),
    ("layout without platform", |d| d.ops[OCI].platform = None, K::Platform, "without a platform"),
];

// One case a line, so that they can be compared.
#[rustfmt::skip]
const COMMANDS: &[Case] = &[
    ("default network", |d| d.exec().network = NetMode::Unset, K::Exec, "has the network"),
    ("host network", |d| d.exec().network = NetMode::Host, K::Exec, "the host's network"),
    ("all privileges", |d| d.exec().security = SecurityMode::Insecure, K::Exec, "all privileges"),
    ("device", |d| { d.exec().cdi_devices.push(CdiDevice { name: "vendor.test/gpu=0".to_owned(), optional: true }) }, K::Exec, "vendor.test/gpu=0"),
    ("SSH agent", |d| { mount(d, |m| { m.input = -1; m.mount_type = MountType::Ssh; m.ssh_opt = Some(SshOpt::default()); }) }, K::Exec, "SSH agent"),
    ("cache directory", |d| { mount(d, |m| { m.mount_type = MountType::Cache; m.cache_opt = Some(CacheOpt { id: "/root/.cache".to_owned(), ..CacheOpt::default() }); }) }, K::Exec, "/root/.cache"),
    ("other proxy", |d| d.meta().proxy_env.get_or_insert_default().https_proxy = "http://evil.test".to_owned(), K::Environment, "proxies"),
    ("proxy of a build without", |d| d.expected.proxy = None, K::Environment, "proxies"),
    ("other host", |d| d.meta().extra_hosts[0].ip = "198.51.100.1".to_owned(), K::Environment, "198.51.100.1"),
    ("another host", |d| d.meta().extra_hosts.push(HostIp::default()), K::Environment, "not an option"),
    ("no arguments", |d| d.meta().args.clear(), K::Command, "without arguments"),
    ("no meta", |d| d.exec().meta = None, K::Command, "without arguments"),
    ("failure counts as success", |d| d.meta().valid_exit_codes = crate::llb::wire::Packed(vec![0, 1]), K::Command, "may fail"),
    ("command for another platform", |d| d.ops[RUN].platform = Some(linux("s390x")), K::Platform, "linux/s390x"),
    ("no root", |d| d.exec().mounts[0].dest = "/root".to_owned(), K::Mount, "0 root"),
    ("two roots", |d| mount(d, |m| m.dest = "/".to_owned()), K::Mount, "2 root"),
    ("root in memory", |d| { let root = &mut d.exec().mounts[0]; root.input = -1; root.output = -1; root.mount_type = MountType::Tmpfs; root.tmpfs_opt = Some(TmpfsOpt::default()); d.ops[MERGE].inputs[1].digest = "#6".to_owned(); }, K::Mount, "no bind mount"),
    ("mount of an input that is not there", |d| mount(d, |m| m.input = 2), K::Mount, "does not have"),
    ("mount of a negative input", |d| mount(d, |m| m.input = -2), K::Mount, "does not have"),
    ("secret with an input", |d| d.exec().mounts[3].input = 1, K::Mount, "does not have"),
    ("memory with an input", |d| d.exec().mounts[2].input = 0, K::Mount, "does not have"),
    ("output out of order", |d| mount(d, |m| m.output = 5), K::Mount, "out of order"),
    ("output of memory", |d| d.exec().mounts[2].output = 1, K::Mount, "out of order"),
    ("output of a secret", |d| d.exec().mounts[3].output = 1, K::Mount, "out of order"),
    ("bind with secret options", |d| mount(d, |m| m.secret_opt = Some(SecretOpt::default())), K::Mount, "another type"),
    ("bind with cache options", |d| mount(d, |m| m.cache_opt = Some(CacheOpt::default())), K::Mount, "another type"),
    ("secret without options", |d| d.exec().mounts[3].secret_opt = None, K::Mount, "another type"),
    ("memory without options", |d| d.exec().mounts[2].tmpfs_opt = None, K::Mount, "another type"),
    ("gateway result", |d| mount(d, |m| m.result_id = "r".to_owned()), K::Mount, "gateway"),
];

// One case a line, so that they can be compared.
#[rustfmt::skip]
const GRAPHS: &[Case] = &[
    ("nested build", |d| d.ops[MERGE].kind = Some(Kind::Build(Bytes(Vec::new()))), K::Operation, "build operation"),
    ("difference", |d| d.ops[MERGE].kind = Some(Kind::Diff(Bytes(Vec::new()))), K::Operation, "diff operation"),
    ("passthrough", |d| d.ops[MERGE].kind = Some(Kind::Passthrough(Bytes(Vec::new()))), K::Operation, "passthrough"),
    ("operation that does nothing", |d| d.ops[MERGE].kind = None, K::Terminal, "not the last"),
    ("no terminal", |d| { d.ops.pop(); }, K::Terminal, "not a terminal"),
    ("terminal alone", |d| { d.ops = vec![Op::default()]; d.source = Source::default(); }, K::Terminal, "no operation besides"),
    ("nothing", |d| { d.ops.clear(); d.source = Source::default(); }, K::Terminal, "empty"),
    ("terminal without input", |d| d.ops[END].inputs.clear(), K::Terminal, "0 inputs"),
    ("terminal with two inputs", |d| d.ops[END].inputs = inputs(&[FILES, IMAGE]), K::Terminal, "2 inputs"),
    ("terminal with a platform", |d| d.ops[END].platform = Some(linux("amd64")), K::Terminal, "more than its input"),
    ("terminal with constraints", |d| d.ops[END].constraints = Some(WorkerConstraints::default()), K::Terminal, "more than its input"),
    ("missing input", |d| d.ops[MERGE].inputs[0].digest = digest("x").to_string(), K::Input, "no earlier operation"),
    ("input that is no digest", |d| d.ops[MERGE].inputs[0].digest = "x".to_owned(), K::Input, "no earlier operation"),
    ("later input", |d| d.ops.swap(IMAGE, COPY), K::Input, "no earlier operation"),
    ("output that is not there", |d| d.ops[MERGE].inputs[1].index = 1, K::Input, "output 1"),
    ("output of a source", |d| d.ops[COPY].inputs[0].index = 1, K::Input, "output 1"),
    ("output of a merge", |d| d.ops[FILES].inputs[0].index = 1, K::Input, "output 1"),
    ("negative output", |d| d.ops[MERGE].inputs[0].index = -1, K::Input, "output -1"),
    ("terminal's output", |d| d.ops[END].inputs[0].index = 1, K::Input, "output 1"),
    ("the same operation twice", |d| { let op = d.ops[IMAGE].clone(); d.ops.insert(END, op); }, K::DuplicateOperation, "twice"),
    ("certain worker", |d| { d.ops[RUN].constraints = Some(WorkerConstraints { filter: vec!["x==y".to_owned()] }) }, K::Constraints, "worker"),
    ("merge of nothing", |d| d.ops[MERGE].kind = Some(Kind::Merge(MergeOp::default())), K::Merge, "does not have"),
    ("merge of an input that is not there", |d| { d.ops[MERGE].kind = Some(Kind::Merge(MergeOp { inputs: vec![MergeInput { input: 2 }] })) }, K::Merge, "does not have"),
    ("merge of no input", |d| { d.ops[MERGE].kind = Some(Kind::Merge(MergeOp { inputs: vec![MergeInput { input: -1 }] })) }, K::Merge, "does not have"),
    ("file operation without actions", |d| { d.actions_of(FILES).clear(); d.ops[END].inputs = inputs(&[MERGE]); }, K::File, "without actions"),
    ("action that does nothing", |d| d.actions_of(FILES)[0].action = None, K::File, "nothing that is known"),
    ("action on an input that is not there", |d| d.actions_of(FILES)[0].input = 1, K::File, "not there yet"),
    ("action on its own result", |d| d.actions_of(FILES)[1].input = 2, K::File, "not there yet"),
    ("action on a negative input", |d| d.actions_of(FILES)[0].input = -2, K::File, "not there yet"),
    ("copy from an input that is not there", |d| d.actions_of(COPY)[0].secondary_input = 9, K::File, "not there yet"),
    ("mkdir with a second input", |d| d.actions_of(FILES)[0].secondary_input = 0, K::File, "without being a copy"),
    ("owner of an input that is not there", |d| { d.actions_of(FILES)[0].action = Some(Action::MkDir(FileActionMkDir { owner: named(7), ..FileActionMkDir::default() })) }, K::File, "owner"),
    ("owner of nobody", |d| { d.actions_of(FILES)[0].action = Some(Action::MkDir(FileActionMkDir { owner: Some(ChownOpt { user: Some(UserOpt::default()), group: None }), ..FileActionMkDir::default() })) }, K::File, "owner"),
    ("outputs with a gap", |d| d.actions_of(FILES)[1].output = 2, K::File, "numbered"),
    ("the same output twice", |d| d.actions_of(FILES)[1].output = 0, K::File, "numbered"),
    ("negative file output", |d| d.actions_of(FILES)[1].output = -2, K::File, "numbered"),
    ("metadata of no operation", |d| { d.more_metadata.insert(digest("x").to_string(), OpMetadata::default()); }, K::Metadata, "no operation"),
    ("metadata without key", |d| { d.more_metadata.insert(String::new(), OpMetadata::default()); }, K::Metadata, "no operation"),
    ("another Dockerfile", |d| d.source.infos[0].data.0.push(b'\n'), K::SourceFile, "another \"Dockerfile\""),
    ("another file name", |d| d.source.infos[0].filename = "other".to_owned(), K::SourceFile, "no file of this build"),
    ("a second Dockerfile", |d| { let mut info = d.source.infos[0].clone(); info.data.0.clear(); d.source.infos.push(info); }, K::SourceFile, "another"),
    ("no Dockerfile", |d| d.source = Source::default(), K::SourceFile, "does not say"),
    ("Dockerfile loaded from elsewhere", |d| { let mut other = Draft::new(); other.ops = vec![source("local://other", &[("local.session", "sid")]), Op { inputs: inputs(&[0]), ..Op::default() }]; other.source = Source::default(); d.source.infos[0].definition = Some(Bytes(other.bytes())); }, K::Source, "does not use"),
    ("Dockerfile loaded by what cannot be read", |d| d.source.infos[0].definition = Some(Bytes(vec![0xff])), K::Malformed, "cannot be read"),
    ("Dockerfile loaded by nothing", |d| d.source.infos[0].definition = Some(Bytes(Vec::new())), K::Terminal, "empty"),
    ("lines of no operation", |d| { d.source.locations.insert(digest("x").to_string(), Locations::default()); }, K::SourceMap, "no operation"),
    ("lines of no file", |d| { d.source.locations.insert("#0".to_owned(), Locations { locations: vec![Location { source_index: 1, ranges: Vec::new() }] }); }, K::SourceMap, "does not have"),
    ("lines of a negative file", |d| { d.source.locations.insert("#0".to_owned(), Locations { locations: vec![Location { source_index: -1, ranges: Vec::new() }] }); }, K::SourceMap, "does not have"),
];

fn run(cases: &[Case]) {
    let accepted = Draft::new().audit();
    assert!(
        accepted.is_ok(),
        "the unchanged graph is refused: {accepted:?}"
    );
    for (name, change, kind, words) in cases {
        let mut draft = Draft::new();
        change(&mut draft);
        assert_refused(name, draft.audit(), *kind, words);
    }
}

#[test]
fn sources() {
    run(SOURCES);
}

#[test]
fn commands() {
    run(COMMANDS);
}

#[test]
fn graphs() {
    run(GRAPHS);
}

#[test]
fn nothing_is_expected_by_default() {
    let escapes = audit(&Draft::new().bytes(), &Expected::default(), &DenyAll).unwrap_err();
    let kinds: BTreeSet<_> = escapes.iter().map(|escape| escape.kind).collect();
    for kind in [K::Source, K::Platform, K::SourceFile, K::Environment] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[test]
fn an_escape_names_operation_and_lines() {
    let mut draft = Draft::new();
    draft.exec().network = NetMode::Unset;
    let id = draft.definition().nodes[RUN].id().clone();
    let escapes = draft.audit().unwrap_err();
    assert_eq!(escapes[0].op.as_ref(), Some(&id));
    assert_eq!((escapes[0].lines[0].start, escapes[0].lines[0].end), (4, 4));
    assert!(
        escapes[0]
            .to_string()
            .starts_with("Dockerfile:4: the command \"/bin/sh -c make\" has the network")
    );
}

#[test]
fn deep_source_maps_are_refused() {
    let mut draft = Draft::new();
    draft.source.infos[0].definition = None;
    for _ in 0..=super::super::MAX_SOURCE_DEPTH {
        let inner = draft.bytes();
        draft.source.infos[0].definition = Some(Bytes(inner));
    }
    assert_refused("deep", draft.audit(), K::SourceMap, "too deep");
}

#[test]
fn escapes_are_bounded() {
    let mut draft = Draft::new();
    let host = HostIp {
        host: "x".repeat(1000),
        ip: "192.0.2.9".to_owned(),
    };
    draft.meta().extra_hosts = vec![host; 1000];
    let escapes = draft.audit().unwrap_err();
    assert_eq!(escapes.len(), super::super::MAX_ESCAPES);
    assert!(escapes[0].reason.len() < 1000);
}
