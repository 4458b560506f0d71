//! Programs that know of no proxy, and what the policy says of downloads that prove themselves.

use std::process::Command;

use engine::{Result, process};
use verified_dockerfile::digest::Digest;

use crate::{
    Test,
    bench::{Case, EXECUTE, TOOL_LIMIT, accept},
    replay::{any_url, record, record_with, replay},
    web::{Answer, Web},
};

pub const TESTS: &[Test] = &[
    ("programs_without_proxy_are_served", direct),
    ("what_a_step_checks_itself_can_be_accepted", inline),
    ("keys_are_those_that_the_policy_names", keys),
];

/// Where a name leads to is found by the launcher: first to itself, then to a server that only a proxy reaches.
fn direct(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let web = Web::answering(case.bench.engine.address, |request| {
        match request.target.strip_prefix("http://files.test/") {
            Some(path) => Answer::Full("200 OK", String::new(), path.into()),
            None => Answer::Full("404 Not Found", String::new(), Vec::new()),
        }
    })?;
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nRUN mkdir /open && chmod 777 /open\nRUN env -i /bin/wget -O /open/root http://files.test/root\n\
         RUN [\"/bin/env\", \"-i\", \"/bin/wget\", \"-O\", \"/open/exec\", \"http://files.test/exec\"]\n\
         USER 1000:1000\nRUN env -i /bin/wget -O /open/user http://files.test/user && id -u > /open/id && grep ^Cap /proc/self/status > /open/capabilities\n",
        base.tagged()
    );
    let proxy = format!("http_proxy=http://{}", web.host());
    let words = [
        "--all",
        "--add-host",
        "files.test:192.0.2.1",
        "--build-arg",
        &proxy,
    ];
    record_with(case, &dockerfile, &words)?;
    assert_eq!(web.hits("files.test"), 3);
    replay(case, &dockerfile)?.built()?;
    for name in ["root", "exec", "user"] {
        assert_eq!(case.read(&format!("result/open/{name}"))?, name);
    }
    assert_eq!(case.read("result/open/id")?, "1000\n");
    // The launcher may have low ports; the step has what any user has.
    let capabilities = case.read("result/open/capabilities")?;
    let of = |name: &str| {
        let line = capabilities
            .lines()
            .find_map(|line| line.strip_prefix(name));
        line.map(|digits| u64::from_str_radix(digits.trim(), 16).unwrap_or(1))
    };
    for name in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(of(name), Some(0), "{capabilities}");
    }
    assert_eq!(web.hits("files.test"), 3);
    Ok(())
}

fn inline(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/inline", b"content");
    let rule = format!(
        "[[http]]\nmatch = \"{url}\"\naccept = \"checked-inline\"\nreason = \"test\"\nuntil = 2099-01-01\n"
    );
    case.policy(&[accept("image", &base.repository), rule.clone()])?;
    let right = Digest::sha256(b"content").hex().to_owned();
    let wrong = Digest::sha256(b"other").hex().to_owned();
    let step = |digest: &str, end: &str| {
        format!(
            "FROM {}\nENV DIGEST={digest}\nRUN wget -O /file {url} && echo \"$DIGEST  /file\" | sha256sum -c -{end}\n{EXECUTE}\n",
            base.tagged()
        )
    };
    record(case, &step(&right, ""))?;
    replay(case, &step(&right, ""))?.executed()?;
    let told = [
        "no RUN step that downloads it compares it",
        "/replay/inline",
    ];
    record(case, &step(&wrong, " || true"))?;
    replay(case, &step(&wrong, " || true"))?.refused("RUN wget", &told)?;
    let unchecked = format!(
        "FROM {}\nRUN wget -O /file {url}; : {right}\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &unchecked)?;
    replay(case, &unchecked)?.refused("RUN wget", &told)?;
    // The same of an instruction that checks nothing.
    let add = format!(
        "FROM {}\nADD --checksum=sha256:{right} {url} /\n{EXECUTE}\n",
        base.tagged()
    );
    replay(case, &add)?.refused("ADD", &["no RUN step"])?;
    let expired = rule.replace("2099", "2001");
    case.policy(&[accept("image", &base.repository), expired])?;
    record(case, &step(&right, ""))?;
    replay(case, &step(&right, ""))?.refused("RUN wget", &["expired"])?;
    Ok(())
}

fn keys(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let make = |name: &str| -> Result<(String, Vec<u8>)> {
        // Not in the case's folder: an agent's socket has a short path.
        let script = "export GNUPGHOME=$(mktemp -d)
            gpg -q --batch --passphrase '' --quick-generate-key $0@example.com ed25519 sign never 2>/dev/null
            gpg --with-colons --list-keys | sed -n 's/^fpr:*\\([0-9A-F]*\\):/\\1/p' | head -n 1; gpg --armor --export; gpgconf --kill all; rm -rf $GNUPGHOME";
        let mut command = Command::new("sh");
        command
            .args(["-ec", script, name])
            .current_dir(&case.folder);
        let text = process::run(&mut command, &[], TOOL_LIMIT)?
            .success()?
            .stdout;
        let (print, key) = text.split_once('\n').ok_or("no key")?;
        Ok((print.to_owned(), key.as_bytes().to_vec()))
    };
    let ((alice, key), (_, other)) = (make("alice")?, make("bob")?);
    let url = case.bench.web.put("/pks/lookup", &key);
    let rule = |print: &str| format!("[[http]]\nmatch = \"{url}\"\nfingerprints = [\"{print}\"]\n");
    let dockerfile = |mark: &str| {
        format!(
            "FROM {}\nRUN wget -O /key {url} && : {mark}\n{EXECUTE}\n",
            base.tagged()
        )
    };
    let image = accept("image", &base.repository);
    case.policy(&[image.clone(), rule(&alice)])?;
    record(case, &dockerfile("right"))?;
    replay(case, &dockerfile("right"))?.executed()?;
    case.policy(&[image.clone(), rule(&"0".repeat(40))])?;
    replay(case, &dockerfile("right"))?.refused("RUN wget", &["it has the key", &alice])?;
    case.policy(&[image, rule(&alice)])?;
    for (mark, body, told) in [
        (
            "more",
            [key.clone(), other.clone()].concat(),
            "it has the key",
        ),
        ("other", other, "it has the key"),
        (
            "text",
            [key.as_slice(), b"echo evil\n"].concat(),
            "not OpenPGP keys and nothing else",
        ),
        (
            "none",
            b"no keys found\n".to_vec(),
            "not OpenPGP keys and nothing else",
        ),
    ] {
        case.bench.web.put("/pks/lookup", &body);
        record(case, &dockerfile(mark))?;
        replay(case, &dockerfile(mark))?.refused("RUN wget", &[told, "/pks/lookup"])?;
    }
    Ok(())
}
