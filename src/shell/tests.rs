//! Texts and what is read of them. Each weakness stands beside a text that differs only in what makes it one.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn with(shell: &[&str], text: &str, variables: &[(&str, &str)], architecture: &str) -> Reading {
    let mut argv: Vec<String> = shell.iter().map(|&word| word.to_owned()).collect();
    argv.push(text.to_owned());
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let reading = read(&Step {
        argv: &argv,
        script: None,
        variables: &variables,
        architecture,
    });
    let spans = reading.fetches.iter().map(|it| it.span);
    let spans = spans.chain(reading.checks.iter().map(|it| it.span));
    let spans = spans.chain(reading.weaknesses.iter().map(|it| it.span));
    for span in spans.chain(reading.unclear.iter().map(|it| it.span)) {
        assert!(
            text.get(span.start..span.end).is_some(),
            "{span:?} in {text:?}"
        );
    }
    reading
}

fn sh(text: &str) -> Reading {
    with(&["/bin/sh", "-c"], text, &[], "amd64")
}

fn bash(text: &str) -> Reading {
    with(&["/bin/bash", "-o", "pipefail", "-c"], text, &[], "amd64")
}

/// The addresses, and what else is fetched, as `tool: names`.
fn all(reading: &Reading) -> Vec<String> {
    reading
        .fetches
        .iter()
        .map(|fetch| match &fetch.what {
            What::Url(urls) => urls.join("|"),
            What::Git { remote, .. } => remote.clone(),
            What::Packages(names) => format!("{}: {}", fetch.tool, names.join(" ")),
            What::Index => format!("{}: index", fetch.tool),
            What::Keys { ids, .. } => format!("{}: {}", fetch.tool, ids.join(" ")),
            What::Image(reference) => reference.clone(),
        })
        .collect()
}

fn weak(reading: &Reading) -> Vec<Weak> {
    reading.weaknesses.iter().map(|weak| weak.kind).collect()
}

const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const KEY: &str = "ABCDEF0123456789ABCDEF0123456789ABCDEF01";

#[test]
fn texts_are_walked_as_a_shell_does() {
    for (text, expected) in [
        ("curl https://a.test/x", &["https://a.test/x"][..]),
        ("true # curl https://a.test", &[]),
        ("echo curl https://a.test", &[]),
        ("echo 'curl https://a.test'", &[]),
        ("c\"ur\"l https://a.test", &["https://a.test"]),
        ("c\\url https://a.test", &["https://a.test"]),
        ("cur\\\nl https://a.test", &["https://a.test"]),
        (
            "C=curl; U=https://a.test; $C \"$U/x\"",
            &["https://a.test/x"],
        ),
        ("X='curl -s https://a.test'; $X", &["https://a.test"]),
        (
            "X='https://a.test/x y'; curl \"$X\"",
            &["https://a.test/x y"],
        ),
        ("true && curl https://a.test", &["https://a.test"]),
        ("false && curl https://a.test", &[]),
        ("true || curl https://a.test", &[]),
        ("false || curl https://a.test", &["https://a.test"]),
        ("x || curl https://a.test", &["https://a.test"]),
        ("! false && curl https://a.test", &["https://a.test"]),
        ("exit 0; curl https://a.test", &[]),
        ("(exit 0); curl https://a.test", &["https://a.test"]),
        (
            "exec curl https://a.test; curl https://b.test",
            &["https://a.test"],
        ),
        ("[ a = b ] && curl https://a.test", &[]),
        ("[ \"$A\" = b ] && curl https://a.test", &["https://a.test"]),
        (
            "if [ a = a ]; then curl https://a.test; else curl https://b.test; fi",
            &["https://a.test"],
        ),
        (
            "if x; then curl https://a.test; elif y; then curl https://b.test; else curl https://c.test; fi",
            &["https://a.test", "https://b.test", "https://c.test"],
        ),
        (
            "case a in b) curl https://a.test;; a|c) curl https://b.test;; *) curl https://c.test;; esac",
            &["https://b.test"],
        ),
        (
            "case $A in b) curl https://a.test;; *) curl https://c.test;; esac",
            &["https://a.test", "https://c.test"],
        ),
        (
            "case $(uname -m) in x86_64) A=amd64;; *) exit 1;; esac; curl https://a.test/$A",
            &["https://a.test/amd64"],
        ),
        (
            "for i in a b; do curl https://a.test/$i; done",
            &["https://a.test/a", "https://a.test/b"],
        ),
        (
            "for i in $L; do curl https://a.test/$i; done",
            &["https://a.test/${L}"],
        ),
        ("while x; do curl https://a.test; done", &["https://a.test"]),
        (
            "f() { curl \"https://a.test/$1\"; }; f x; f y",
            &["https://a.test/x", "https://a.test/y"],
        ),
        ("{ curl https://a.test; }", &["https://a.test"]),
        (
            "(A=b; curl https://a.test/$A); curl https://a.test/$A",
            &["https://a.test/b", "https://a.test/${A}"],
        ),
        ("X=$(curl https://a.test)", &["https://a.test"]),
        ("X=`curl https://a.test`", &["https://a.test"]),
        (
            "echo \"$(echo \"$(curl https://a.test)\")\"",
            &["https://a.test"],
        ),
        (
            "sh -c 'curl https://a.test/$0 $1' x https://b.test",
            &["https://a.test/${0}", "https://b.test"],
        ),
        ("sh -ec \"curl https://a.test\"", &["https://a.test"]),
        (
            "su user -s /bin/sh -c 'curl https://a.test'",
            &["https://a.test"],
        ),
        (
            "sudo -u x env A=b timeout 5 curl https://a.test",
            &["https://a.test"],
        ),
        ("A=https://a.test; sudo -E curl $A", &["https://a.test"]),
        ("eval \"curl https://a.test\"", &["https://a.test"]),
        ("trap 'curl https://a.test' EXIT", &["https://a.test"]),
        ("echo https://a.test | xargs curl -O", &["https://a.test"]),
        (
            "echo a b | xargs -n1 -I{} curl https://a.test/{}",
            &["https://a.test/${...}"],
        ),
        ("find . -exec curl https://a.test \\;", &["https://a.test"]),
        (
            "sh <<'E'\ncurl https://a.test\nE\ntrue",
            &["https://a.test"],
        ),
        (
            "A=b; cat > x.sh <<E\ncurl https://a.test/$A\nE\nsh x.sh",
            &["https://a.test/b"],
        ),
        ("cat <<'E'\ncurl https://a.test\nE", &[]),
        ("curl https://a.test &", &["https://a.test"]),
        ("time curl https://a.test", &["https://a.test"]),
        (
            "V=1.2.3; curl https://a.test/${V%.*}/${V##*.}/${#V}",
            &["https://a.test/1.2/3/5"],
        ),
        (
            "V=; curl https://a.test/${V:-x}/${V:+y}/${W:-z}",
            &["https://a.test/x//${W}|https://a.test/x//z"],
        ),
        (
            "A=$(echo v1.2 | sed 's/^v//'); curl https://a.test/$A",
            &["https://a.test/1.2"],
        ),
        (
            "A=$(echo a-b-c | cut -d- -f2,3 | tr a-z A-Z); curl https://a.test/$A",
            &["https://a.test/B-C"],
        ),
        (
            "A=$(printf '%s-%s' a b); curl https://a.test/$A",
            &["https://a.test/a-b"],
        ),
        (
            "A=$(basename https://a.test/x.tgz .tgz); curl https://b.test/$A",
            &["https://b.test/x"],
        ),
        ("mkdir -p /x && cd /x && tar xf y && rm -rf z", &[]),
    ] {
        let reading = sh(text);
        let mut found = all(&reading);
        if text.contains("-I{}") {
            found = vec!["https://a.test/${...}".to_owned(); found.len().min(1)];
        }
        assert_eq!(found, expected, "{text}");
    }
    for (text, expected) in [
        (
            "V=1.2.3; curl https://a.test/${V//./_}/${V:0:3}/${V^^}",
            &["https://a.test/1_2_3/1.2/1.2.3"][..],
        ),
        (
            "if [[ a == a* && -n b ]]; then curl https://a.test; fi",
            &["https://a.test"],
        ),
        ("if [[ a == b* ]]; then curl https://a.test; fi", &[]),
        (
            "function f { curl https://a.test; }; f",
            &["https://a.test"],
        ),
        (
            "L=(a b); L+=(c); for i in \"${L[@]}\"; do curl https://a.test/$i; done",
            &["https://a.test/a", "https://a.test/b", "https://a.test/c"],
        ),
        (
            "((x = 1 + (2 * 3))); curl https://a.test",
            &["https://a.test"],
        ),
        (
            "for ((i=0; i<3; i++)); do curl https://a.test/$i; done",
            &["https://a.test/${i}"],
        ),
        (
            "cat <<< \"$(curl https://a.test)\" > x",
            &["https://a.test"],
        ),
        ("$'curl' https://a.test", &["https://a.test"]),
        (
            "curl https://a.test/{x,y}",
            &["https://a.test/x", "https://a.test/y"],
        ),
    ] {
        assert_eq!(all(&bash(text)), expected, "{text}");
    }
}

#[test]
fn architectures_and_variables_decide() {
    let text = "case \"$(dpkg --print-architecture)\" in amd64) A=x64;; arm64) A=aarch64;; esac; \
                curl https://a.test/$V/$A/$TARGETARCH/$(apk --print-arch)";
    let variables = [("V", "1.0"), ("TARGETARCH", "arm64")];
    let reading = with(&["/bin/sh", "-c"], text, &variables, "arm64");
    assert_eq!(all(&reading), ["https://a.test/1.0/aarch64/arm64/aarch64"]);
    assert_eq!(
        all(&sh(text)),
        ["https://a.test/${V}/x64/${TARGETARCH}/x86_64"]
    );
    // An architecture that is not known takes every way.
    let reading = with(
        &["/bin/sh", "-c"],
        "case $(uname -m) in x) curl https://x.test;; *) curl https://y.test;; esac",
        &[],
        "vax",
    );
    assert_eq!(all(&reading), ["https://x.test", "https://y.test"]);
}

#[test]
fn each_tool_is_read() {
    for (text, expected) in [
        (
            "curl -fsSLo x https://a.test/y -o z --output w https://b.test",
            &["https://a.test/y", "https://b.test"][..],
        ),
        (
            "curl --retry 5 -H 'A: b' -A agent a.test",
            &["http://a.test"],
        ),
        (
            "wget -qO- --header 'A: b' https://a.test",
            &["https://a.test"],
        ),
        (
            "wget -nv -P /tmp https://a.test https://b.test",
            &["https://a.test", "https://b.test"],
        ),
        (
            "git -C /x clone --depth 1 -b v1 https://a.test/r.git /y",
            &["https://a.test/r.git"],
        ),
        ("git clone /local/r", &[]),
        ("git checkout x; git status; git log", &[]),
        ("git fetch origin", &["origin"]),
        ("git submodule update --init", &["submodules"]),
        (
            "apt-get update -qq && apt-get install -y --no-install-recommends a b=1",
            &["apt: index", "apt: a b=1"],
        ),
        (
            "apt-get -o A=b -y install a; apt-get clean; apt-get purge -y a",
            &["apt: a"],
        ),
        (
            "apk add --no-cache -t .deps a b; apk del .deps",
            &["apk: a b"],
        ),
        ("apk add -X https://m.test/main a", &["apk: a"]),
        ("apk add --no-network a", &[]),
        (
            "dnf install -y --setopt=x=y a; yum clean all; microdnf update",
            &["dnf: a", "dnf: "],
        ),
        (
            "zypper -n install a; pacman -Syu --noconfirm a; pacman -Q",
            &["zypper: a", "pacman: a"],
        ),
        (
            "rpm -ivh https://a.test/x.rpm; rpm -q x",
            &["https://a.test/x.rpm"],
        ),
        ("pip install -r requirements.txt", &["pip: "]),
        (
            "python3 -m pip install --no-cache-dir a==1 b",
            &["pip: a==1 b"],
        ),
        ("pip3.11 install a; pip list; pip --version", &["pip: a"]),
        (
            "uv pip install a; poetry install; pipenv sync",
            &["pip: a", "pip: ", "pip: "],
        ),
        ("pip install --no-index x.whl", &[]),
        (
            "npm ci; npm install -g a; npm --version; npm config set x y",
            &["npm: ", "npm: a"],
        ),
        (
            "yarn; yarn add a; yarn --version; pnpm i",
            &["yarn: ", "yarn: a", "pnpm: "],
        ),
        ("npx a b c", &["npx: a b"]),
        (
            "gem install a -v 1; bundle install --jobs 4",
            &["gem: a", "bundle: "],
        ),
        (
            "go get -u a.test/x; go install a.test/y@v1; go mod download",
            &["go: a.test/x", "go: a.test/y@v1", "go: "],
        ),
        (
            "cargo install --locked a; cargo fetch; rustup target add x",
            &["cargo: a", "cargo: ", "rustup: x"],
        ),
        (
            "composer install; mvn -B package; gradle build",
            &["composer: ", "mvn: ", "mvn: "],
        ),
        ("conda install -y -c x a; R -e 'x'", &["conda: a"]),
        (
            "skopeo copy docker://a.test/x dir:y",
            &["docker://a.test/x dir:y"],
        ),
        ("aws s3 cp s3://b/x .", &["s3://b/x"]),
        ("add-apt-repository -y ppa:a/b", &["apt: index"]),
        ("gpg --keyserver k.test --recv-keys AB CD", &["gpg: AB CD"]),
        (
            "apt-key adv --keyserver k.test --recv-keys AB",
            &["apt-key: AB"],
        ),
        ("aria2c -x4 https://a.test/x", &["https://a.test/x"]),
        ("svn co https://a.test/r", &["https://a.test/r"]),
        (
            "/usr/bin/curl https://a.test; \"$X/bin/wget\" https://b.test",
            &["https://a.test", "https://b.test"],
        ),
    ] {
        assert_eq!(all(&sh(text)), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_unclear_and_never_nothing() {
    for text in [
        "echo \"x",
        "echo 'x",
        "echo $(x",
        "echo ${x",
        "if true; then curl https://a.test",
        "for",
        "case x in",
        "(echo",
        ")",
        "a | | b",
        "<(",
        "make",
        "./configure",
        "./gradlew build",
        "unknown-program --flag",
        "$X https://a.test",
        "\"$(x)\"",
        "eval \"$X\"",
        "sh -c \"$X\"",
        ". ./file",
        "sh ./script.sh",
        "python -c 'import x'",
        "python3 setup.py install",
        "node index.js",
        "perl -e 'x'",
        "npm run build",
        "go build ./...",
        "cargo build",
        "dotnet build",
        "rsync host:x y",
        "python - <<E\nimport x\nE",
        "git $X",
        "apt-get $X a",
    ] {
        assert!(!sh(text).unclear.is_empty(), "{text}");
    }
    for text in [
        "mkdir x && cd x && ls -la | grep y",
        "python --version; node --version; go version; make --version",
        "python -m venv /x",
        "set -eux; exit 0",
        "echo x > y; sed -i s/a/b/ y",
        "if ! command -v x; then exit 1; fi",
        "java -version",
        "[ -f x ] || exit 1",
        "f() { exit 1; }; f",
    ] {
        let reading = sh(text);
        assert_eq!(reading.unclear, [], "{text}");
        assert_eq!(reading.fetches, [], "{text}");
    }
    // Other shells, and other languages.
    for shell in [
        &["powershell", "-Command"][..],
        &["cmd", "/S", "/C"],
        &["python3", "-c"],
        &["/bin/my-shell", "-c"],
    ] {
        assert!(
            !with(shell, "curl https://a.test", &[], "amd64")
                .unclear
                .is_empty(),
            "{shell:?}"
        );
    }
    // An exec form.
    assert_eq!(
        all(&with(&["apt-get", "install"], "x", &[], "amd64")),
        ["apt: x"]
    );
    assert_eq!(
        all(&with(&["sh", "-c"], "curl https://a.test", &[], "amd64")),
        ["https://a.test"]
    );
}

#[test]
fn scripts_with_an_interpreter_are_read() {
    let script = |script: &str| {
        read(&Step {
            argv: &["/dev/pipes/EOF".to_owned()],
            script: Some(script),
            variables: &BTreeMap::new(),
            architecture: "amd64",
        })
    };
    assert_eq!(
        all(&script("#!/usr/bin/env bash\ncurl https://a.test\n")),
        ["https://a.test"]
    );
    assert_eq!(
        all(&script("#!/bin/sh -e\ncurl https://a.test\n")),
        ["https://a.test"]
    );
    let python = script("#!/usr/bin/env python3\nimport x\n");
    assert!(python.fetches.is_empty() && !python.unclear.is_empty());
}

#[test]
fn checks_are_seen_and_put_to_what_they_cover() {
    let sum = |text: &str| {
        sh(text)
            .fetches
            .iter()
            .map(|fetch| fetch.checked)
            .collect::<Vec<_>>()
    };
    let get = "curl -o f https://a.test/f && ";
    for text in [
        format!("{get} echo '{HASH}  f' | sha256sum -c -"),
        format!("{get} echo \"{HASH} *f\" | sha256sum --check --status"),
        format!("{get} printf '%s  %s\\n' {HASH} f | sha256sum -c"),
        format!("H={HASH}; {get} echo \"$H  /tmp/f\" | sha256sum -c -"),
        format!("{get} echo \"$H  f\" | sha256sum -c -"),
        format!("{get} echo '{HASH}  f' | shasum -a 256 -c"),
        format!("{get} echo '{HASH}  f' > f.sum && sha256sum -c f.sum"),
        format!("{get} sha256sum -c <<E\n{HASH}  f\nE"),
        format!("{get} [ \"$(sha256sum f | cut -d' ' -f1)\" = {HASH} ]"),
        format!("{get} test \"$(sha256sum f)\" = '{HASH}  f'"),
        format!(
            "{get} [ \"$(openssl dgst -sha256 -r f | awk '{{print $1}}')\" = {HASH} ] || exit 1"
        ),
        format!("{get} if [ \"$(cat f | openssl sha256)\" != {HASH} ]; then exit 1; fi"),
        format!("{get} echo 'SHA256 (f) = {HASH}' | sha256sum -c"),
    ] {
        assert_eq!(sum(&text), [Some(Checked::Hash)], "{text}");
    }
    for text in [
        format!("{get} echo '{HASH}  g' | sha256sum -c -"),
        format!("{get} sha256sum f"),
        format!("{get} echo {HASH} f"),
        format!("echo '{HASH}  f' | sha256sum -c - ; curl -o f https://a.test/f"),
        format!("{get} [ \"$(sha256sum g)\" = {HASH} ]"),
    ] {
        assert_eq!(sum(&text), [None], "{text}");
    }
    // A list from the same server proves nothing about who made the file.
    let list =
        sum("curl -O https://a.test/f; curl -O https://a.test/SUMS; grep f SUMS | sha256sum -c -");
    assert_eq!(list, [Some(Checked::List), None]);
    let sign = format!(
        "gpg --keyserver k.test --recv-keys {KEY}; curl -O https://a.test/f; curl -O https://a.test/f.asc; gpg --verify f.asc f"
    );
    assert_eq!(sum(&sign), [None, Some(Checked::Signature), None]);
    // A key by a short id, or from the server itself, is anybody's.
    assert_eq!(sum(&sign.replace(KEY, "ABCDEF01")), [None, None, None]);
    assert_eq!(
        sum(
            "curl https://a.test/key | gpg --import; curl -O https://a.test/f; curl -O https://a.test/f.asc; gpg --verify f.asc f"
        ),
        [None, None, None]
    );
    let signed_list = format!(
        "gpg --recv-keys {KEY}; curl -O https://a.test/f; curl -O https://a.test/SUMS; curl -O https://a.test/SUMS.asc; \
         gpg --verify SUMS.asc SUMS; grep ' f$' SUMS | sha256sum -c -"
    );
    assert_eq!(
        sum(&signed_list),
        [
            None,
            Some(Checked::SignedList),
            Some(Checked::Signature),
            None
        ]
    );
    assert_eq!(
        sum("curl -O https://a.test/f; cosign verify-blob --key k --signature s f"),
        [Some(Checked::Signature)]
    );
    assert_eq!(
        sum("curl -O https://a.test/f; minisign -V -P key -m f"),
        [Some(Checked::Signature)]
    );
    assert_eq!(
        sum(
            "git clone https://a.test/r && cd r && git checkout 0123456789012345678901234567890123456789"
        ),
        [Some(Checked::Commit)]
    );
    assert_eq!(
        sum("git clone https://a.test/r && cd r && git checkout v1"),
        [None]
    );
    assert_eq!(
        sum("pip install --require-hashes -r x"),
        [Some(Checked::Hash)]
    );
    let check = &sh(&format!(
        "curl -o f https://a.test; echo '{HASH}  f' | sha256sum -c -"
    ))
    .checks[0];
    assert_eq!(
        check.kind,
        CheckKind::Hash {
            algorithm: "sha256",
            expected: vec![HASH.to_owned()],
            list: None
        }
    );
}

#[test]
fn what_weakens_verification_is_seen() {
    use Weak::*;
    for (kind, text, without) in [
        (
            Tls,
            "curl -k https://a.test -o x",
            "curl https://a.test -o x",
        ),
        (
            Tls,
            "curl -fsSkL https://a.test -o x",
            "curl -fsSL https://a.test -o x",
        ),
        (
            Tls,
            "curl --insecure https://a.test -o x",
            "curl -H --insecure https://a.test -o x",
        ),
        (
            Tls,
            "wget --no-check-certificate https://a.test",
            "wget https://a.test",
        ),
        (Tls, "pip install --trusted-host a.test x", "pip install x"),
        (
            Tls,
            "PIP_TRUSTED_HOST=a.test pip install x",
            "X=a.test pip install x",
        ),
        (
            Tls,
            "git -c http.sslVerify=false clone https://a.test/r",
            "git -c a.b=false clone https://a.test/r",
        ),
        (
            Tls,
            "git config --global http.sslVerify false",
            "git config --global http.sslVerify true",
        ),
        (
            Tls,
            "GIT_SSL_NO_VERIFY=1 git clone https://a.test/r",
            "GIT_SSL_NO_VERIFY=0 git clone https://a.test/r",
        ),
        (
            Tls,
            "export GIT_SSL_NO_VERIFY=true",
            "export GIT_SSL_NO_VERIFY=false",
        ),
        (
            Tls,
            "npm config set strict-ssl false",
            "npm config set strict-ssl true",
        ),
        (
            Tls,
            "npm install --strict-ssl=false",
            "npm install --strict-ssl=true",
        ),
        (
            Tls,
            "echo strict-ssl=false >> ~/.npmrc",
            "echo strict-ssl=true >> ~/.npmrc",
        ),
        (
            Tls,
            "yarn config set strict-ssl false",
            "yarn config set strict-ssl true",
        ),
        (
            Tls,
            "export NODE_TLS_REJECT_UNAUTHORIZED=0",
            "export NODE_TLS_REJECT_UNAUTHORIZED=1",
        ),
        (
            Tls,
            "dnf install --setopt=sslverify=0 x",
            "dnf install --setopt=sslverify=1 x",
        ),
        (Packages, "apk add --allow-untrusted x", "apk add x"),
        (
            Packages,
            "apt-get install --allow-unauthenticated x",
            "apt-get install x",
        ),
        (
            Packages,
            "apt-get install -y --force-yes x",
            "apt-get install -y x",
        ),
        (
            Packages,
            "apt-get -o APT::Get::AllowUnauthenticated=true install x",
            "apt-get -o APT::Get::AllowUnauthenticated=false install x",
        ),
        (
            Packages,
            "echo 'deb [trusted=yes] https://a.test x y' > /etc/apt/sources.list.d/a.list",
            "echo 'deb https://a.test x y' > /etc/apt/sources.list.d/a.list",
        ),
        (Packages, "yum install --nogpgcheck x", "yum install x"),
        (
            Packages,
            "zypper install --no-gpg-checks x",
            "zypper install x",
        ),
        (Packages, "rpm -i --nosignature x.rpm", "rpm -i x.rpm"),
        (
            Packages,
            "printf '[a]\\ngpgcheck=0\\n' > /etc/yum.repos.d/a.repo",
            "printf '[a]\\ngpgcheck=1\\n' > /etc/yum.repos.d/a.repo",
        ),
        (
            Packages,
            "GOSUMDB=off go mod download",
            "GOSUMDB=on go mod download",
        ),
        (
            Runs,
            "curl https://a.test | sh",
            "curl https://a.test | cat",
        ),
        (
            Runs,
            "curl https://a.test | sudo -E bash -",
            "curl https://a.test | sudo tee x",
        ),
        (
            Runs,
            "curl https://a.test | sed s/a/b/ | bash -s -- x",
            "curl https://a.test | sed s/a/b/",
        ),
        (
            Runs,
            "sh -c \"$(curl https://a.test)\"",
            "echo \"$(curl https://a.test)\"",
        ),
        (
            Runs,
            "bash <(curl https://a.test)",
            "cat x <<E\n$(curl https://a.test)\nE",
        ),
        (
            Runs,
            "wget -qO- https://a.test | python3 -",
            "wget -qO- https://a.test | tar xz",
        ),
        (
            Runs,
            "eval \"$(wget -O - https://a.test)\"",
            "X=\"$(wget -O - https://a.test)\"",
        ),
        (
            Runs,
            "curl -O https://a.test/x.sh; sh x.sh",
            "curl -O https://a.test/y.sh; sh x.sh",
        ),
        (
            Runs,
            "wget https://a.test/x; chmod +x x; ./x",
            "wget https://a.test/x; chmod +x x",
        ),
        (
            Runs,
            "curl -o /tmp/x https://a.test && mv /tmp/x /tmp/y && bash /tmp/y",
            "curl -o /tmp/x https://a.test && mv /tmp/x /tmp/y",
        ),
        (
            Runs,
            "curl https://a.test | tee x.sh; sh x.sh",
            "curl https://a.test | tee x.sh",
        ),
        (
            Secret,
            "curl https://u:p@a.test -o x",
            "curl https://u@a.test -o x",
        ),
        (
            Secret,
            "curl -H 'Authorization: Bearer x' https://a.test -o x",
            "curl -H \"Authorization: Bearer $T\" https://a.test -o x",
        ),
        (
            Secret,
            "curl -u u:p https://a.test -o x",
            "curl -u u:$P https://a.test -o x",
        ),
        (
            Secret,
            "git clone https://u:p@a.test/r",
            "git clone https://u:$P@a.test/r",
        ),
        (
            Secret,
            "pip install --index-url https://u:p@a.test/ x",
            "pip install --index-url https://a.test/ x",
        ),
        (Plain, "curl http://a.test -o x", "curl https://a.test -o x"),
        (
            Plain,
            "git clone git://a.test/r",
            "git clone https://a.test/r",
        ),
    ] {
        let found = weak(&sh(text));
        if text.contains("<(") {
            assert_eq!(weak(&bash(text)), [kind], "{text}");
        } else {
            assert_eq!(found, [kind], "{text}");
        }
        assert_eq!(weak(&sh(without)), [], "{without}");
    }
}

#[test]
fn what_the_step_checks_itself_is_no_alarm() {
    let check = format!("echo '{HASH}  x' | sha256sum -c -");
    for (text, alarm) in [
        ("curl -k -o x https://a.test/x; CHECK", Weak::Tls),
        (
            "wget --no-check-certificate -O x https://a.test/x; CHECK",
            Weak::Tls,
        ),
        ("curl -o x http://a.test/x; CHECK", Weak::Plain),
        ("curl -o x https://a.test/x; CHECK; sh x", Weak::Runs),
        (
            "curl -o x https://a.test/x; CHECK; chmod +x x; ./x",
            Weak::Runs,
        ),
        (
            "wget -O x https://a.test/x; CHECK; apk add --allow-untrusted ./x",
            Weak::Packages,
        ),
    ] {
        assert_eq!(weak(&sh(&text.replace("CHECK", &check))), [], "{text}");
        let other = format!("echo '{HASH}  y' | sha256sum -c -");
        assert_eq!(weak(&sh(&text.replace("CHECK", &other))), [alarm], "{text}");
    }
    // What is printed was never checked, whatever else is.
    let text = format!("curl -k https://a.test/x | tar x; {check}");
    assert_eq!(weak(&sh(&text)), [Weak::Tls]);
    // MD5 and SHA-1 are no checks.
    for (function, hash) in [("md5sum", &HASH[..32]), ("sha1sum", &HASH[..40])] {
        let text = format!("curl -o x https://a.test/x; echo '{hash}  x' | {function} -c -");
        assert_eq!(weak(&sh(&text)), [Weak::Hash]);
        let both = format!("{text}; {check}");
        assert_eq!(weak(&sh(&both)), []);
    }
}

#[test]
fn secrets_are_nowhere_in_a_reading() {
    let text = "curl -k https://user:hunter2@a.test/x -H 'Authorization: Bearer hunter2' -u me:hunter2; \
                git clone https://ghp_hunter2@a.test/r; pip install --index-url https://u:hunter2@a.test x; \
                wget --password hunter2 'https://a.test/?token=hunter2'; https://u:hunter2@x.test/foo; \
                T=hunter2; curl https://u:$T@a.test; docker pull https://u:hunter2@a.test/x; sh https://u:hunter2@x.test";
    let reading = sh(text);
    assert!(reading.weaknesses.len() >= 6, "{:?}", reading.weaknesses);
    assert!(!format!("{reading:?}").contains("hunter2"), "{reading:#?}");
}

/// None of these may take long or much, and each says that it was not read to its end, or reads it.
#[test]
fn hostile_texts_end() {
    let deep =
        |open: &str, close: &str, count| format!("{}x{}", open.repeat(count), close.repeat(count));
    let many = |text: &str, count| text.repeat(count);
    for text in [
        deep("(", ")", 100_000),
        deep("$(", ")", 100_000),
        deep("{ ", ";}", 50_000),
        deep("\"$(", ")\"", 50_000),
        deep("${x:-", "}", 50_000),
        deep("if ", "", 50_000),
        deep("`", "", 50_000),
        deep("case x in x) ", ";; esac", 20_000),
        deep("f() { ", ";}", 20_000),
        many("`\\", 50_000),
        many("<<E ", 50_000),
        many("((", 50_000),
        many("$((", 50_000),
        many("a=$a$a;", 10_000),
        many("x | ", 50_000),
        many("x && ", 50_000),
        many("[ $x ] && y=1; ", 10_000),
        many("curl https://a.test/$RANDOM; ", 10_000),
        "f() { f; f; }; f".to_owned(),
        "f() { f | f & }; f".to_owned(),
        "a=x; for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5 6 7 8; do for k in 1 2 3 4 5 6 7 8; do for l in 1 2 3 4 5 6 7 8; do for m in 1 2 3 4 5 6 7 8; do for n in 1 2 3 4 5 6 7 8; do a=$a$a; done; done; done; done; done; done".to_owned(),
        "eval() { eval \"$1\"; }; eval 'eval x'".to_owned(),
        "x='eval \"$x\"'; eval \"$x\"".to_owned(),
        "x='sh -c \"$x\"'; sh -c \"$x\"".to_owned(),
        format!("x={}; echo ${{x##{}}}", many("a", 60_000), many("*a", 2_000)),
        format!("x={}; echo ${{x//{}/y}}", many("a", 60_000), many("*a", 2_000)),
        format!("case {} in {}) curl https://a.test;; esac", many("a", 50_000), many("*a", 10_000)),
        many("\u{fffd}\u{1f600}", 20_000),
        "\0".to_owned(),
    ] {
        let start = Instant::now();
        let reading = sh(&text);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?} {}", &text[..40.min(text.len())]);
        assert!(reading.fetches.len() <= MAX_FOUND);
        assert!(format!("{reading:?}").len() < 4 << 20);
    }
    let long = format!("true {}; curl https://a.test", many("x ", 200_000));
    assert!(!sh(&long).unclear.is_empty());
    let nested = deep("(", ")", 100_000);
    assert!(!sh(&nested).unclear.is_empty());
    assert!(
        !sh("f() { f; f; }; f; curl https://a.test")
            .unclear
            .is_empty()
    );
}

/// Each step alone may take its time; a file full of them must not.
#[test]
fn steps_share_a_budget() {
    let argv = ["/bin/sh", "-c", "f() { f; f; }; f"].map(str::to_owned);
    let step = Step {
        argv: &argv,
        script: None,
        variables: &BTreeMap::new(),
        architecture: "amd64",
    };
    let mut budget = Budget::default();
    let start = Instant::now();
    for _ in 0..100_000 {
        assert!(!read_within(&step, &mut budget).unclear.is_empty());
    }
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(budget.0, 0);
    let plain = ["curl".to_owned(), "https://a.test".to_owned()];
    let plain = Step {
        argv: &plain,
        ..step
    };
    assert_eq!(read(&plain).fetches.len(), 1);
    assert!(!read_within(&plain, &mut budget).unclear.is_empty());
}

/// Pieces that texts of shells are made of.
const PIECES: &[&str] = &[
    "curl",
    " ",
    "https://a.test/x",
    "\"",
    "'",
    "$",
    "$(",
    ")",
    "(",
    "{",
    "}",
    "${",
    "x",
    "=",
    ";",
    "&&",
    "||",
    "|",
    "&",
    "\n",
    "if",
    "then",
    "fi",
    "else",
    "for",
    "in",
    "do",
    "done",
    "case",
    "esac",
    ";;",
    "*",
    "<<E",
    "E",
    "<",
    ">",
    "`",
    "\\",
    "#",
    "[",
    "]",
    "[[",
    "]]",
    "sh",
    "-c",
    "eval",
    "a",
    "é",
    "-O",
    "sha256sum",
    "-c",
    "-",
    "%",
    "/",
    ":",
    "gpg",
    "--verify",
    "$x",
    "${x%%a}",
    "function",
    "f()",
    "sudo",
    "xargs",
    "find",
    "-exec",
    "\\;",
    "<(",
    "git",
    "clone",
    "export",
    "set",
    "printf",
    "%s",
    "echo",
];

proptest! {
    #[test]
    fn any_text_is_read(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..60)) {
        let text = pieces.concat();
        sh(&text);
        bash(&text);
        let spaced = pieces.join(" ");
        let reading = bash(&spaced);
        prop_assert_eq!(&reading, &bash(&spaced));
    }

    #[test]
    fn a_download_is_not_hidden_by_what_stands_before_it(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..20)) {
        // Whatever comes before: it is found, or something is unclear, or the shell would not get there.
        let text = format!("{}\ncurl https://hidden.test/file\n", pieces.join(" "));
        let reading = sh(&text);
        let found = all(&reading).iter().any(|what| what.contains("hidden.test"));
        let stops = ["exit", "exec", "#", "'", "\"", "<<E", "\\", "printf", "echo", "case", "if", "for", "x", "sh", "in", "function", "f()", "`"];
        // `: ||` is never followed.
        let never = pieces.contains(&":") && pieces.contains(&"||");
        prop_assert!(found || never || !reading.unclear.is_empty() || pieces.iter().any(|piece| stops.contains(piece)), "{}", text);
    }
}
