//! The verdicts, each refusal beside what differs from it in one thing and passes.

use super::*;

#[test]
fn image_rules_cover_what_they_name() {
    for (pattern, name, covered) in [
        ("docker.io/library/alpine", "alpine", true),
        ("docker.io/library/alpine", "alpine:3.20", true),
        (
            "docker.io/library/alpine",
            "index.docker.io/alpine:3.20",
            true,
        ),
        ("docker.io/library/alpine", "alpinf", false),
        ("docker.io/library/alpine", "docker.io/user/alpine", false),
        (
            "docker.io/library/alpine",
            "evil.test/docker.io/library/alpine",
            false,
        ),
        (
            "docker.io/library/alpine",
            "evil.test/library/alpine",
            false,
        ),
        ("docker.io/library/alpine:3.*", "alpine:3.20", true),
        ("docker.io/library/alpine:3.*", "alpine:4", false),
        ("docker.io/library/alpine:latest", "alpine", true),
        (
            "docker.io/library/alpine:latest",
            "alpine@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            false,
        ),
        (
            "docker.io/library/alpine",
            "alpine@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            true,
        ),
        ("docker.io/library/*", "alpine", true),
        ("docker.io/library/*", "team/app", false),
        ("docker.io/**", "team/app", true),
        ("*.test/app", "a.test/app", true),
        ("*.test/app", "evil.org/x.test/app", false),
        ("registry.test/a", "registry.test:5000/a", false),
        ("registry.test:5000/a", "registry.test:5000/a:v1", true),
        ("*", "alpine", false),
        ("**", "alpine", true),
    ] {
        let policy = policy(&format!("[[image]]\nmatch = \"{pattern}\"\n{ACCEPT}"));
        assert_eq!(
            !judge(&policy, &image(name)).is_refused(),
            covered,
            "{pattern} over {name}"
        );
    }
}

#[test]
fn layouts_have_patterns_of_their_own() {
    let policy = |pattern: &str| policy(&format!("[[image]]\nmatch = \"{pattern}\"\n{ACCEPT}"));
    assert!(!judge(&policy("oci-layout://store"), &Subject::layout("store")).is_refused());
    assert!(judge(&policy("oci-layout://store"), &Subject::layout("other")).is_refused());
    assert!(judge(&policy("**"), &Subject::layout("store")).is_refused());
    assert!(judge(&policy("oci-layout://**"), &image("registry.test/store")).is_refused());
}

#[test]
fn http_and_git_rules_cover_what_they_name() {
    for (kind, pattern, url, covered) in [
        (
            "http",
            "https://good.test/**",
            "https://good.test/a/b",
            true,
        ),
        (
            "http",
            "https://good.test/**",
            "HTTPS://GOOD.test:443/a",
            true,
        ),
        ("http", "https://good.test/**", "http://good.test/a", false),
        (
            "http",
            "https://good.test/**",
            "https://good.test:8443/a",
            false,
        ),
        (
            "http",
            "https://good.test/**",
            "https://good.test.evil.test/a",
            false,
        ),
        (
            "http",
            "https://good.test/**",
            "https://evil.test/https://good.test/a",
            false,
        ),
        (
            "http",
            "https://*.good.test/**",
            "https://a.good.test/b",
            true,
        ),
        (
            "http",
            "https://*.good.test/**",
            "https://evil.test/a.good.test/b",
            false,
        ),
        (
            "http",
            "https://*.good.test/**",
            "https://evil.test?a.good.test/b",
            false,
        ),
        (
            "http",
            "https://good.test/public/*",
            "https://good.test/public/a",
            true,
        ),
        (
            "http",
            "https://good.test/public/*",
            "https://good.test/public/a/../../secret",
            false,
        ),
        (
            "http",
            "https://good.test/public/**",
            "https://good.test/public/%2e%2E/secret",
            false,
        ),
        (
            "http",
            "https://good.test/secret",
            "https://good.test/%73ecret",
            true,
        ),
        ("git", "https://git.test/**", "https://git.test/a.git", true),
        (
            "git",
            "https://git.test/**",
            "ssh://git@git.test/a.git",
            false,
        ),
        ("git", "git@git.test:team/*", "git@git.test:team/a", true),
        ("git", "git@git.test:team/*", "git@git.test:other/a", false),
    ] {
        let policy = policy(&format!("[[{kind}]]\nmatch = \"{pattern}\"\n{ACCEPT}"));
        let (subject, pin) = match kind {
            "http" => (Subject::http(url).unwrap(), pin()),
            _ => (Subject::git(url, "").unwrap(), Pin::Commit("0".repeat(40))),
        };
        let verdict = policy.judge(&subject, &pin, &Evidence::default(), now());
        assert_eq!(!verdict.is_refused(), covered, "{pattern} over {url}");
    }
    assert!(Subject::http("https://good.test@evil.test/").is_err());
}

#[test]
fn a_fetch_must_be_fixed() {
    let policy = policy(&format!(
        "[[git]]\nmatch = \"**\"\n{ACCEPT}[[image]]\nmatch = \"**\"\n{ACCEPT}"
    ));
    let git = Subject::git("https://git.test/a", "").unwrap();
    let judged = |subject: &Subject, pin: &Pin| {
        policy
            .judge(subject, pin, &Evidence::default(), now())
            .is_refused()
    };
    assert!(!judged(&git, &Pin::Commit("a".repeat(40))));
    assert!(!judged(&git, &Pin::Commit("a".repeat(64))));
    for commit in [
        "main".to_owned(),
        "a".repeat(39),
        "A".repeat(40),
        String::new(),
    ] {
        assert!(judged(&git, &Pin::Commit(commit)));
    }
    assert!(judged(&git, &pin()));
    assert!(judged(&image("alpine"), &Pin::Commit("a".repeat(40))));
    assert!(!judged(&image("alpine"), &pin()));
}

#[test]
fn the_first_rule_in_the_file_decides() {
    let narrow = format!("[[image]]\nmatch = \"registry.test/a\"\n{ACCEPT}");
    let broad = "[[image]]\nmatch = \"registry.test/**\"\nsigned-by = [\"p256\"]\n";
    let verdict = judge(
        &policy(&format!("{narrow}{broad}")),
        &image("registry.test/a"),
    );
    assert_eq!(accepted_line(&verdict), 6);
    let refused = refusal(judge(
        &policy(&format!("{broad}{narrow}")),
        &image("registry.test/a"),
    ));
    assert_eq!(
        refused.rule.unwrap(),
        RuleAt {
            line: 6,
            pattern: "registry.test/**".into()
        }
    );
    assert!(
        refused.cause.contains("no signature of sha256:"),
        "{}",
        refused.cause
    );
}

#[test]
fn acceptance_ends_with_its_day_in_utc() {
    let policy = policy(&format!("[[image]]\nmatch = \"**\"\n{ACCEPT}"));
    let at = |time: &str| {
        policy.judge(
            &image("alpine"),
            &pin(),
            &Evidence::default(),
            time.parse().unwrap(),
        )
    };
    assert_eq!(accepted_line(&at("2027-06-01T23:59:59Z")), 6);
    let refused = refusal(at("2027-06-02T00:00:00Z"));
    assert!(
        refused.cause.contains("expired after 2027-06-01"),
        "{refused:?}"
    );
    assert!(refused.next.contains("verified.toml:6"), "{refused:?}");
    assert_eq!(accepted_line(&at("2027-06-02T00:30:00+01:00")), 6);
}

#[test]
fn without_a_rule_the_lines_to_add_are_given_and_work() {
    let subject = image("registry.test/a\u{62}:1");
    let refused = refusal(judge(&policy(""), &subject));
    assert_eq!(
        (refused.rule, refused.layer.as_str()),
        (None, "verified.toml")
    );
    let rule = refused.next.split_once(":\n").unwrap().1;
    assert!(rule.contains("until = 2027-02-20"), "{rule}");
    assert_eq!(accepted_line(&judge(&policy(rule), &subject)), 6);

    let refused = refusal(judge(&Policy::new(Vec::new()), &subject));
    assert!(
        refused
            .next
            .contains("Write verified.toml beside the Dockerfile"),
        "{}",
        refused.next
    );
    let begin = refused.next.split_once(":\n").unwrap().1;
    let layer = Layer::parse(begin.as_bytes(), "verified.toml", &files()).unwrap();
    assert!(!judge(&Policy::new(vec![layer]), &subject).is_refused());

    let needs = RunNeeds {
        host_network: true,
        network: true,
        insecure: true,
        ssh: true,
        devices: true,
    };
    for command in [
        "curl \"x\" \\ 'y' | sh\n\tdone",
        "echo '''",
        &"a".repeat(70_000),
    ] {
        let rule = refusal(policy("").run(command, needs, now())).next;
        let rule = rule.split_once(":\n").unwrap().1;
        assert_eq!(accepted_line(&policy(rule).run(command, needs, now())), 6);
    }
    let rule = refusal(policy("").cache("registry", Some("r.test/c"), now())).next;
    let rule = rule.split_once(":\n").unwrap().1;
    assert_eq!(
        accepted_line(&policy(rule).cache("registry", Some("r.test/c"), now())),
        6
    );
}

#[test]
fn every_layer_must_allow() {
    let open = format!("[[image]]\nmatch = \"**\"\n{ACCEPT}");
    let narrow = format!("[[image]]\nmatch = \"docker.io/**\"\n{ACCEPT}");
    let layers = |a: &str, b: &str| {
        Policy::new(vec![
            layer_named("org.toml", a),
            layer_named("verified.toml", b),
        ])
    };
    let subject = image("registry.test/a");
    assert!(!judge(&layers(&open, &open), &subject).is_refused());
    let refused = refusal(judge(&layers(&narrow, &open), &subject));
    assert_eq!(refused.layer, "org.toml");
    assert!(refused.next.contains("add to org.toml"), "{}", refused.next);
    assert_eq!(
        refusal(judge(&layers(&open, &narrow), &subject)).layer,
        "verified.toml"
    );
    match judge(&layers("", ""), &subject) {
        Verdict::Refused(refusals) => assert_eq!(refusals.len(), 2),
        other => panic!("{other:?}"),
    }
    match judge(&layers(&open, &open), &subject) {
        Verdict::Accepted(passed) => assert_eq!(passed.len(), 2),
        other => panic!("{other:?}"),
    }
}

fn signed_evidence(name: &str) -> (Digest, Evidence) {
    let digest: Digest = testdata(&format!("{name}.digest")).trim().parse().unwrap();
    let manifest: serde_json::Value =
        serde_json::from_str(&testdata(&format!("{name}.sig.manifest.json"))).unwrap();
    let signature = manifest["layers"][0]["annotations"][cosign::ANNOTATION]
        .as_str()
        .unwrap();
    let payload = testdata(&format!("{name}.sig.payload.json")).into_bytes();
    let mut evidence = Evidence::default();
    evidence.insert(
        digest.clone(),
        Proof::Cosign(cosign::Signature {
            payload,
            signature: signature.into(),
            ..cosign::Signature::default()
        }),
    );
    (digest, evidence)
}

#[test]
fn a_signature_by_a_named_key_verifies() {
    let (digest, evidence) = signed_evidence("p256-cosign2");
    let rule = |keys: &str, pattern: &str| {
        policy(&format!(
            "[[image]]\nmatch = \"{pattern}\"\nsigned-by = {keys}\n"
        ))
    };
    let subject = image(&format!("{REPOSITORY}:1"));
    let judge = |policy: &Policy, subject: &Subject, evidence: &Evidence| {
        policy.judge(subject, &Pin::Digest(digest.clone()), evidence, now())
    };
    match judge(
        &rule("[\"other\", \"p256\"]", "localhost:5077/**"),
        &subject,
        &evidence,
    ) {
        Verdict::Verified(passed) => {
            let id = evidence.iter().next().unwrap().id().clone();
            let By::Signature {
                key,
                kind,
                evidence,
                ..
            } = &passed[0].by
            else {
                panic!("{passed:?}")
            };
            assert_eq!((key.as_str(), *kind, evidence), ("p256", cosign::KIND, &id));
            assert_eq!(
                passed[0].to_string(),
                "signed by `p256` (cosign-signature), rule `localhost:5077/**` at verified.toml:6"
            );
        }
        other => panic!("{other:?}"),
    }
    let signed = rule("[\"p256\"]", "**");
    for (verdict, reason) in [
        (
            judge(&rule("[\"other\"]", "**"), &subject, &evidence),
            "none of the keys `other`",
        ),
        (
            judge(&signed, &image("localhost:5077/team/b"), &evidence),
            "for the repository `localhost:5077/team/app`",
        ),
        (
            judge(&signed, &subject, &Evidence::default()),
            "no signature of sha256:",
        ),
        (
            signed.judge(&subject, &pin(), &evidence, now()),
            "no signature of sha256:",
        ),
    ] {
        let refused = refusal(verdict);
        assert!(
            refused.cause.contains(reason),
            "wanted {reason:?} in {refused:?}"
        );
        assert_eq!(refused.rule.unwrap().line, 6);
    }
    // Evidence filed under a digest that it is not for is found, and refused by what it says.
    let mut misfiled = Evidence::default();
    misfiled.insert(
        Digest::sha256(b"x"),
        evidence.iter().next().unwrap().proof().clone(),
    );
    let refused = refusal(signed.judge(&subject, &pin(), &misfiled, now()));
    assert!(
        refused.cause.contains("the signature is for sha256:"),
        "{refused:?}"
    );
    // One good signature among bad ones is enough; a flood of others is bounded.
    let mut many = evidence.clone();
    for n in 0..20 {
        many.insert(digest.clone(), Proof::Bundle(vec![n]));
    }
    assert!(!judge(&signed, &subject, &many).is_refused());
}

#[test]
fn a_mirrored_image_is_verified_as_what_it_was_signed_as() {
    let (digest, evidence) = signed_evidence("mirrored");
    let pin = Pin::Digest(digest);
    let rule = "[[image]]\nmatch = \"**\"\nsigned-by = [\"p256\"]\n";
    let judged =
        |rule: &str, subject: &Subject| policy(rule).judge(subject, &pin, &evidence, now());
    let mirror = image("mirror.test/app");
    assert!(
        refusal(judged(rule, &mirror))
            .cause
            .contains("registry.example.com/publisher/app")
    );
    let named = format!("{rule}signed-as = \"registry.example.com/publisher/app\"\n");
    assert!(matches!(judged(&named, &mirror), Verdict::Verified(_)));
    let other = format!("{rule}signed-as = \"registry.example.com/publisher/apq\"\n");
    assert!(judged(&other, &mirror).is_refused());
    let layout = |extra: &str| rule.replace("**", "oci-layout://**") + extra;
    assert!(judged(&layout(""), &Subject::layout("s")).is_refused());
    let named = layout("signed-as = \"registry.example.com/publisher/app\"\n");
    assert!(!judged(&named, &Subject::layout("s")).is_refused());
}

#[test]
fn signatures_are_asked_for_only_where_they_decide() {
    let signed = "[[image]]\nmatch = \"**\"\nsigned-by = [\"p256\"]\n";
    let open = format!("[[image]]\nmatch = \"**\"\n{ACCEPT}");
    let subject = image("alpine");
    let needs = |a: &str, b: &str| {
        let policy = Policy::new(vec![layer_named("a", a), layer_named("b", b)]);
        !policy.wanted(&subject, now()).is_empty()
    };
    assert!(needs(signed, signed));
    assert!(needs(signed, &open));
    assert!(needs(&open, signed));
    assert!(!needs(&open, &open));
    assert!(!needs(signed, ""));
    assert!(!needs("", signed));
    assert!(!needs(signed, &open.replace("2027", "2025")));
}

#[test]
fn run_steps_get_only_what_one_rule_gives() {
    const NONE: RunNeeds = RunNeeds {
        network: false,
        host_network: false,
        insecure: false,
        ssh: false,
        devices: false,
    };
    let network = RunNeeds {
        network: true,
        ..NONE
    };
    let host = RunNeeds {
        host_network: true,
        ..NONE
    };
    let insecure = RunNeeds {
        insecure: true,
        ..NONE
    };
    let ssh = RunNeeds {
        ssh: true,
        network: true,
        ..NONE
    };
    let devices = RunNeeds {
        devices: true,
        ..NONE
    };
    let rule = |grants: &str| {
        policy(&format!(
            "[[run]]\nmatch = \"make *\"\n{grants}\nreason = \"r\"\nuntil = 2027-01-01\n"
        ))
    };
    let given = |grants: &str, needs| !rule(grants).run("make x", needs, now()).is_refused();
    for (grants, needs, allowed) in [
        ("network = \"allow\"", network, true),
        ("network = \"host\"", network, true),
        ("network = \"host\"", host, true),
        ("network = \"allow\"", host, false),
        ("ssh = \"allow\"", network, false),
        ("network = \"allow\"", ssh, false),
        ("network = \"allow\"\nssh = \"allow\"", ssh, true),
        ("network = \"allow\"", insecure, false),
        ("security = \"insecure\"", insecure, true),
        ("security = \"insecure\"", network, false),
        ("network = \"allow\"", devices, false),
        ("devices = \"allow\"", devices, true),
    ] {
        assert_eq!(given(grants, needs), allowed, "{grants} for {needs:?}");
    }
    let allow = rule("network = \"allow\"");
    assert!(allow.run("cmake x", network, now()).is_refused());
    assert_eq!(
        allow.run("anything", NONE, now()),
        Verdict::Accepted(Vec::new())
    );
    assert!(
        refusal(allow.run("make x", network, "2027-01-02T00:00:00Z".parse().unwrap()))
            .cause
            .contains("expired")
    );
    let lacking = refusal(allow.run(
        "make x",
        RunNeeds {
            insecure: true,
            ..network
        },
        now(),
    ));
    assert!(
        lacking.cause.contains("insecure security mode") && lacking.rule.is_some(),
        "{lacking:?}"
    );
    assert!(
        Policy::new(Vec::new())
            .run("make x", network, now())
            .is_refused()
    );
    // The first rule that covers the command decides, also where a later one gives more.
    let two = policy(
        "[[run]]\nmatch = \"make x\"\nssh = \"allow\"\nreason = \"r\"\nuntil = 2027-01-01\n[[run]]\nmatch = \"*\"\nnetwork = \"allow\"\nreason = \"r\"\nuntil = 2027-01-01\n",
    );
    assert!(two.run("make x", network, now()).is_refused());
    assert!(!two.run("make y", network, now()).is_refused());
}

#[test]
fn caches_need_a_rule() {
    let policy = policy(
        "[[cache]]\nmatch = \"registry:r.test/**\"\nreason = \"r\"\nuntil = 2027-01-01\n[[cache]]\nmatch = \"gha\"\nreason = \"r\"\nuntil = 2026-01-01\n",
    );
    assert!(
        !policy
            .cache("registry", Some("r.test/a/b:c"), now())
            .is_refused()
    );
    assert!(
        policy
            .cache("registry", Some("s.test/a/b:c"), now())
            .is_refused()
    );
    assert!(policy.cache("registry", None, now()).is_refused());
    assert!(
        refusal(policy.cache("gha", None, now()))
            .cause
            .contains("expired")
    );
}

#[test]
fn a_local_folder_does_not_take_the_place_of_what_must_be_signed() {
    let reference = ImageReference::parse("registry.test/base").unwrap();
    let signed = "[[image]]\nmatch = \"registry.test/**\"\nsigned-by = [\"p256\"]\n";
    let open = format!("[[image]]\nmatch = \"registry.test/**\"\n{ACCEPT}");
    for (rules, replaced, allowed) in [
        (signed, Replaced::Base, false),
        (signed, Replaced::Source, false),
        (open.as_str(), Replaced::Base, true),
        (open.as_str(), Replaced::Source, true),
        ("", Replaced::Base, false),
        ("", Replaced::Source, true),
    ] {
        let verdict = policy(rules).local_override(&reference, replaced, now());
        assert_eq!(!verdict.is_refused(), allowed, "{rules} {replaced:?}");
    }
    let expired = policy(&open.replace("2027", "2025"));
    assert!(
        expired
            .local_override(&reference, Replaced::Source, now())
            .is_refused()
    );
    let layers = Policy::new(vec![layer_named("a", ""), layer_named("b", signed)]);
    assert!(
        layers
            .local_override(&reference, Replaced::Source, now())
            .is_refused()
    );
}
