//! The form of `verified.toml`.

use super::*;

#[test]
fn the_examples_of_the_documentation_are_read_and_hold() {
    let text = include_str!("../../../docs/policy.md");
    let examples: Vec<_> = text
        .split("```toml\n")
        .skip(1)
        .map(|part| part.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 3);
    let layers: Vec<_> = examples
        .iter()
        .map(|text| Layer::parse(text.as_bytes(), "docs/policy.md", &files()).unwrap())
        .collect();
    let policy = Policy::new(vec![layers[0].clone()]);
    assert!(!judge(&policy, &image("postgres:17")).is_refused());
    assert!(judge(&policy, &image("mysql")).is_refused());
    assert!(
        !policy
            .run(
                "make fetch-data",
                RunNeeds {
                    network: true,
                    ..RunNeeds::default()
                },
                now()
            )
            .is_refused()
    );
    assert!(
        !policy
            .wanted(&image("registry.example.com/base/a/b"), now())
            .is_empty()
    );
    assert!(
        !policy
            .cache("registry", Some("registry.example.com/cache/x:y"), now())
            .is_refused()
    );
    assert_eq!(
        files_needed(examples[0].as_bytes(), "x").unwrap(),
        ["keys/base.pub"]
    );
    assert_eq!(
        files_needed(examples[1].as_bytes(), "x").unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_not_of_the_form_is_refused_at_its_place() {
    let key = "[keys.a]\ncosign = \"keys/p256.pub\"\n";
    let signed = "[[image]]\nmatch = \"**\"\nsigned-by = [\"a\"]\n";
    let image = |pattern: &str| format!("[[image]]\nmatch = \"{pattern}\"\n{ACCEPT}");
    let http = |pattern: &str| format!("[[http]]\nmatch = \"{pattern}\"\n{ACCEPT}");
    let git = |pattern: &str| format!("[[git]]\nmatch = \"{pattern}\"\n{ACCEPT}");
    let run = "[[run]]\nmatch = \"x\"\nreason = \"r\"\nuntil = 2027-01-01\n";
    let path = |path: &str| format!("[keys.a]\ncosign = \"{path}\"\n");
    for (rest, line, reason) in [
        // keys
        ("x = 1".to_owned(), 2, "unknown key `x` at the top"),
        ("locked = \"true\"".to_owned(), 2, "true or false, not of type string"),
        ("keys = 1".to_owned(), 2, "written as `[keys.NAME]`"),
        ("[[keys]]".to_owned(), 2, "written as `[keys.NAME]`"),
        ("keys.a = 1".to_owned(), 2, "written as `[keys.NAME]`"),
        ("[keys.a]".to_owned(), 2, "[keys.a] has no `cosign`"),
        ("[keys.\"\"]\ncosign = \"x\"".to_owned(), 2, "name is not empty"),
        ("[keys.a]\ncosign = 1".to_owned(), 3, "text in quotes, not of type integer"),
        ("[keys.a]\nx509 = \"a.pem\"".to_owned(), 3, "the key file `a.pem` cannot be read"),
        ("[keys.a]\nx509 = \"-----BEGIN CERTIFICATE-----\"".to_owned(), 2, "has no `identity`"),
        ("[keys.a]\nx509 = \"-----BEGIN CERTIFICATE-----\"\nidentity = \"Alice\"".to_owned(), 3, "neither an e-mail address"),
        ("[keys.a]\nx509 = \"-----BEGIN CERTIFICATE-----\"\nidentity = \"*\"".to_owned(), 3, "without an end"),
        ("[keys.a]\nx509 = \"-----BEGIN CERTIFICATE-----\"\nidentity = \"*\"\ntimestamps = \"a.pem\"".to_owned(), 5, "as PEM blocks"),
        ("[keys.a]\nnotation = \"a.pem\"\ntimestamp = \"b\"".to_owned(), 4, "unknown key `timestamp`"),
        ("[keys.a]\nopenpgp = \"a.asc\"".to_owned(), 3, "the key file `a.asc` cannot be read"),
        ("[keys.a]\nopenpgp = \"../a.asc\"".to_owned(), 3, "leads out"),
        ("[keys.a]\nissuer = \"https://a.test\"".to_owned(), 2, "has no `identity`"),
        ("[keys.a]\nissuer = \"https://a.test\"\nidentity = \"**\"".to_owned(), 3, "begins as a URI does"),
        ("[keys.a]\nissuer = \"https://a.test\"\nidentity = \"b@a.test\"\nminisign = \"c\"".to_owned(), 5, "unknown key `minisign`"),
        ("[keys.a]\nminisign = \"RWQ0000000000000000000000000000000000000000000000000000=\"".to_owned(), 3, "minisign key"),
        ("[keys.a]\nissuer = \"x\"\nidentity = \"y\"".to_owned(), 3, "an issuer is a URL"),
        ("[keys.a]\nissuer = \"https://a.test\"\nidentity = \"b@a.test\"\ntrusted-root = \"GitHub\"".to_owned(), 3, "cannot be read"),
        (format!("{key}identity = \"y\""), 4, "unknown key `identity`"),
        (format!("{key}extra = \"y\""), 4, "unknown key `extra` in [keys.a]"),
        (format!("{key}{key}"), 4, "not valid TOML"),
        (path("/etc/passwd"), 3, "absolute"),
        (path("../key.pub"), 3, "leads out"),
        (path("keys/../../key.pub"), 3, "leads out"),
        (path("keys/none.pub"), 3, "no such file"),
        (path("keys/binary.pub"), 3, "not text"),
        (path("keys/big.pub"), 3, "more than 65536 bytes"),
        (path("keys/rsa1024.pub"), 3, "1024 bits"),
        (path("-----BEGIN PRIVATE KEY-----"), 3, "private key"),
        // rules
        ("image = []".to_owned(), 2, "written as `[[image]]`"),
        ("[image]\nmatch = \"**\"".to_owned(), 2, "written as `[[image]]`"),
        (format!("[[image]]\n{ACCEPT}"), 2, "[[image]] has no `match`"),
        ("[[image]]\nmatch = \"**\"".to_owned(), 2, "has no `accept`"),
        ("[[image]]\nmatch = \"**\"\naccept = \"all\"".to_owned(), 4, "`accept` in [[image]] is \"digest\""),
        ("[[image]]\nmatch = \"**\"\naccept = \"digest\"\nuntil = 2027-01-01".to_owned(), 2, "no `reason`"),
        ("[[image]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \" \"\nuntil = 2027-01-01".to_owned(), 5, "one line of 1 to"),
        ("[[image]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \"a\\nb\"\nuntil = 2027-01-01".to_owned(), 5, "one line"),
        ("[[image]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \"r\"".to_owned(), 2, "no `until`"),
        (image("**").replace("2027-06-01", "\"2027-06-01\""), 6, "without quotes"),
        (image("**").replace("2027-06-01", "2027-06-01T00:00:00Z"), 6, "a day"),
        (image("**").replace("2027-06-01", "2027-02-30"), 6, "TOML"),
        (image("**").replace("2027-06-01", "2027-06"), 6, "TOML"),
        (image("**") + "x = 1", 7, "unknown key `x` in [[image]]"),
        (image("**") + "signed-as = \"a\"", 7, "belongs to `signed-by`"),
        (image("**") + &image("**"), 8, "never reached: line 2"),
        (format!("{key}{signed}{ACCEPT}"), 7, "either `signed-by` or `accept`"),
        (format!("{key}{signed}until = 2027-01-01"), 7, "belong to `accept`"),
        (format!("{key}{signed}").replace("[\"a\"]", "[]"), 6, "empty list"),
        (format!("{key}{signed}").replace("[\"a\"]", "\"a\""), 6, "list of texts"),
        (format!("{key}{signed}").replace("[\"a\"]", "[\"a\", \"a\"]"), 6, "twice"),
        (format!("{key}{signed}").replace("[\"a\"]", "[\"b\"]"), 6, "no key is called `b`; there are: `a`"),
        (signed.to_owned(), 4, "there are: none"),
        (format!("{key}{signed}signed = \"tag\""), 7, "`signed` in [[image]] is"),
        (image("**") + "signed = \"image\"", 7, "belongs to `signed-by`"),
        (format!("{key}{signed}signed-as = \"alpine\""), 7, "\"docker.io/library/alpine\""),
        (format!("{key}{signed}signed-as = \"registry.test/a:1\""), 7, "\"registry.test/a\""),
        (format!("{key}{signed}signed-as = \"\""), 7, "empty"),
        // image patterns
        (image(""), 3, "1 to 1024"),
        (image(&"a".repeat(2000)), 3, "1 to 1024"),
        (image("postgres"), 3, "\"docker.io/library/postgres\""),
        (image("postgres:*"), 3, "\"docker.io/library/postgres:*\""),
        (image("library/postgres"), 3, "\"docker.io/library/postgres\""),
        (image("team/*"), 3, "\"docker.io/team/*\""),
        (image("docker.io/postgres"), 3, "\"docker.io/library/postgres\""),
        (image("docker.io/*"), 3, "\"docker.io/library/*\""),
        (image("index.docker.io/library/postgres"), 3, "\"docker.io/library/postgres\""),
        (image("docker.io/library/Postgres"), 3, "lowercase"),
        (image("registry.test/a@sha256:00"), 3, "no digest"),
        (image("docker://registry.test/a"), 3, "no scheme"),
        (image("registry.test/a**"), 3, "stands alone"),
        (image("**.test/a"), 3, "stands alone"),
        (image("oci-layout://"), 3, "store's name"),
        // URL patterns
        (http("https://a.test"), 3, "\"https://a.test/**\""),
        (http("https://a.test**"), 3, "stands alone"),
        (http("https://**.a.test/x"), 3, "stands alone"),
        (http("HTTPS://a.test/x"), 3, "\"https://a.test/x\""),
        (http("https://A.test/*"), 3, "not a normalised URL"),
        (http("https://a.test:443/x"), 3, "\"https://a.test/x\""),
        (http("https://b@a.test/x"), 3, "covers no URL"),
        (http("ftp://a.test/x"), 3, "covers no URL"),
        (http("a.test/x"), 3, "covers no URL"),
        (http("https://a.test/x") + "checksums = \"SHA256SUMS\"", 7, "belongs to `signed-by`"),
        (format!("{key}[[http]]\nmatch = \"https://a.test/x\"\nsigned-by = [\"a\"]"), 4, "say where the file's signature is"),
        (format!("{key}[[http]]\nmatch = \"https://a.test/x\"\nsigned-by = [\"a\"]\nsignature = \"../*.asc\""), 7, "a name below the file's folder"),
        (format!("{key}[[git]]\nmatch = \"https://a.test/x\"\nsigned-by = [\"a\"]"), 4, "say what is signed"),
        (format!("{key}[[git]]\nmatch = \"https://a.test/x\"\nsigned-by = [\"a\"]\nsigned = \"branch\""), 7, "is \"tag\" or \"commit\""),
        ("[[http]]\nmatch = \"https://a.test/x\"\nsigned-by = [\"a\"]".to_owned(), 4, "there are: none"),
        ("[[git]]\nmatch = \"https://a.test/x\"\nsigned = \"tag\"".to_owned(), 4, "belongs to `signed-by`"),
        (git("/srv/git"), 3, "covers no URL"),
        (git("https://a.test/x#main"), 3, "normal form"),
        // run and cache
        (run.to_owned(), 2, "gives something"),
        (format!("{run}network = \"none\""), 6, "\"allow\" or \"host\""),
        (format!("{run}security = \"sandbox\""), 6, "\"insecure\""),
        (format!("{run}ssh = true"), 6, "text in quotes"),
        (format!("{run}network = \"allow\"\naccept = \"digest\""), 7, "unknown key `accept`"),
        ("[[run]]\nmatch = \"x\"\nnetwork = \"allow\"\nreason = \"r\"".to_owned(), 2, "no `until`"),
        (format!("[[run]]\nmatch = \"{}\"\nnetwork = \"allow\"\nreason = \"r\"\nuntil = 2027-01-01", "a".repeat(70_000)), 3, "1 to 65536"),
        ("[[cache]]\nmatch = \"registry\"\nuntil = 2027-01-01".to_owned(), 2, "no `reason`"),
        (format!("[[cache]]\nmatch = \"registry\"\n{ACCEPT}"), 4, "unknown key `accept`"),
        ("[[image]]\nmatch = \"docker.io/lib".to_owned(), 3, "not valid TOML"),
        (format!("x = {}", "[".repeat(10_000)), 2, "not valid TOML"),
    ] {
        let text = format!("version = 1\n{rest}");
        let error = Layer::parse(text.as_bytes(), "verified.toml", &files()).expect_err(&text);
        assert!(error.message.contains(reason), "{text:.300}: wanted {reason:?} in {error}");
        assert_eq!(error.line, line, "{text:.300}: {error}");
        assert!(error.span.end <= text.len() && error.span.start <= error.span.end, "{error:?}");
    }
    for (text, reason) in [
        ("", "begins with `version = 1`"),
        ("version = 2", "has version 2; this build reads version 1"),
        ("version = 0", "has version 0"),
        ("version = true", "whole number"),
        ("\u{0}", "not valid TOML"),
    ] {
        let error = Layer::parse(text.as_bytes(), "x", &files()).expect_err(text);
        assert!(error.message.contains(reason), "{text}: {error}");
    }
    assert!(
        Layer::parse(b"version = 1\n\n  x = 1", "x", &files())
            .is_err_and(|error| (error.line, error.column) == (3, 3))
    );
}

#[test]
fn patterns_that_are_written_right_are_taken() {
    let all = [
        ("image", "**"),
        ("image", "*"),
        ("image", "**/app"),
        ("image", "docker.io/**"),
        ("image", "docker.io/library/postgres:17*"),
        ("image", "*.test/**"),
        ("image", "registry.test:5000/a/*:v1"),
        ("image", "localhost/a"),
        ("image", "oci-layout://store"),
        ("image", "oci-layout://**"),
        ("http", "**"),
        ("http", "https://**"),
        ("http", "https://a.test/**"),
        ("http", "https://*.a.test/x/*.tar.gz"),
        ("http", "https://a.test/x?y=*"),
        ("git", "git@a.test:team/*"),
        ("git", "ssh://git@a.test/**"),
        ("git", "https://a.test/**"),
    ];
    for (kind, pattern) in all {
        policy(&format!("[[{kind}]]\nmatch = \"{pattern}\"\n{ACCEPT}"));
    }
}

#[test]
fn a_layer_can_demand_the_lock() {
    let text = "version = 1\nlocked = true\n";
    let locked = Layer::parse(text.as_bytes(), "x", &files()).unwrap();
    assert!(Policy::new(vec![layer_named("a", ""), locked]).locked());
    assert!(!policy("").locked());
    assert!(!Policy::new(Vec::new()).locked());
}

#[test]
fn large_files_take_time_in_proportion() {
    let start = std::time::Instant::now();
    let mut text = "version = 1\n".to_owned();
    for n in 0..8_000 {
        text.push_str(&format!("[[image]]\nmatch = \"r.test/{n}\"\n{ACCEPT}"));
    }
    let layer = Layer::parse(text.as_bytes(), "x", &files()).unwrap();
    let last = judge(&Policy::new(vec![layer]), &image("r.test/7999"));
    assert_eq!(accepted_line(&last), 7_999 * 5 + 2);

    let names: Vec<_> = (0..90_000).map(|n| format!("\"{n}\"")).collect();
    let names = names.join(",");
    let text = format!("version = 1\n[[image]]\nmatch = \"**\"\nsigned-by = [{names}]");
    let error = Layer::parse(text.as_bytes(), "x", &files()).unwrap_err();
    assert!(error.message.contains("no key is called `0`"), "{error}");

    let keys: String = (0..45_000)
        .map(|n| format!("keys.a{n}.cosign = \"{n}\"\n"))
        .collect();
    let needed = files_needed(format!("version = 1\n{keys}").as_bytes(), "x").unwrap();
    assert_eq!(needed.len(), 45_000);

    // A file of nothing but values would take a hundred times its size.
    let error = Layer::parse(
        format!("version = 1\nx = [{}]", "1,".repeat(100_000)).as_bytes(),
        "x",
        &files(),
    );
    assert!(
        error
            .unwrap_err()
            .message
            .contains("more than 100000 values")
    );
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
