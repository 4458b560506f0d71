//! The client against registries that behave, misbehave and attack.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    digest::Digest,
    resolve::registry::{testing::*, *},
};

const BODY: &[u8] = br#"{"schemaVersion":2,"layers":[]}"#;

fn tag() -> Reference {
    Reference::Tag("v1".to_owned())
}

fn repository(host: &str) -> Repository {
    Repository::new(host, "team/app").unwrap()
}

fn get(host: &str, options: Options) -> Result<Manifest, Error> {
    Client::new(options)?.manifest(&repository(host), &tag())
}

/// The cause of a failure, after a look that its text gives nothing away.
fn cause<T: std::fmt::Debug>(result: Result<T, Error>) -> Cause {
    let error = result.unwrap_err();
    let text = format!("{error} {error:?}");
    for secret in ["hunter2", "dXNlcjpodW50ZXIy", "secret", "\u{1b}", "signed="] {
        assert!(!text.contains(secret), "{text}");
    }
    error.cause
}

macro_rules! assert_cause {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        let cause = cause($result);
        assert!(matches!(&cause, $pattern $(if $guard)?), "{cause:?}: {cause}");
    };
}

fn limits(request: u64, total: u64) -> Limits {
    let millis = Duration::from_millis;
    Limits {
        request: millis(request),
        total: millis(total),
        ..Limits::default()
    }
}

#[test]
fn repositories_and_tags_are_checked_before_they_become_urls() {
    for (domain, path) in [
        ("docker.io", "library/alpine"),
        ("[::1]:5000", "a"),
        ("r.test:5000", "a/b__c/d.e-f"),
    ] {
        Repository::new(domain, path).unwrap();
    }
    for (domain, path) in [
        ("", "a"),
        ("r.test", ""),
        ("r.test", "a//b"),
        ("r.test", "../a"),
        ("r.test", "a/.."),
        ("r.test", "a?b"),
        ("r.test", "A"),
        ("r.test", "a b"),
        ("r.test/x", "a"),
        ("u@r.test", "a"),
        ("r.test", "a\r\nb"),
        ("r.test", "a#b"),
        ("r.test", "a%2e"),
    ] {
        assert_cause!(Repository::new(domain, path), Cause::Reference);
    }
    assert_eq!(
        Repository::new("docker.io", "library/alpine")
            .unwrap()
            .host(),
        "registry-1.docker.io"
    );
    let client = Client::new(options()).unwrap();
    for bad in ["", "a/b", "../x", "a?b", "-a", ".a", &"a".repeat(129)] {
        let result = client.manifest(&repository("r.test"), &Reference::Tag(bad.to_owned()));
        assert_cause!(result, Cause::Reference);
    }
}

#[test]
fn reads_manifests_with_and_without_tls() {
    let handler = |asked: &Asked| {
        assert_eq!(asked.target, "/v2/team/app/manifests/v1");
        assert!(asked.headers["accept"].contains(media_type::OCI_INDEX));
        ok(BODY)
    };
    let (plain, tls) = (Server::plain(handler), Server::tls(handler));
    for host in [plain.host(), tls.host(), tls.elsewhere()] {
        let manifest = get(&host, options()).unwrap();
        assert_eq!(
            (&manifest.bytes[..], manifest.digest),
            (BODY, Digest::sha256(BODY))
        );
    }
    // Only a local or named host may be without TLS, and only such a one without a known certificate.
    assert_cause!(get(&plain.elsewhere(), options()), Cause::Tls { .. });
    get(
        &plain.elsewhere(),
        Options {
            insecure: vec![ELSEWHERE.to_owned()],
            ..options()
        },
    )
    .unwrap();
    assert_cause!(
        get(
            &tls.elsewhere(),
            Options {
                roots: None,
                ..options()
            }
        ),
        Cause::Tls { .. }
    );
    get(
        &tls.host(),
        Options {
            roots: None,
            ..options()
        },
    )
    .unwrap();
    get(
        &tls.elsewhere(),
        Options {
            roots: None,
            insecure: vec![tls.elsewhere()],
            ..options()
        },
    )
    .unwrap();
    assert_cause!(
        get(
            &tls.host(),
            Options {
                roots: Some(b"none".to_vec()),
                ..options()
            }
        ),
        Cause::Roots
    );
}

#[test]
fn digests_are_compared() {
    let server = Server::tls(|asked| match asked.target.rsplit_once('/').unwrap().1 {
        "v1" => Reply::Answer(
            200,
            vec![(
                "Docker-Content-Digest",
                Digest::sha256(b"other").to_string(),
            )],
            BODY.to_vec(),
        ),
        "v2" => Reply::Answer(
            200,
            vec![("Docker-Content-Digest", Digest::sha256(BODY).to_string())],
            BODY.to_vec(),
        ),
        _ => ok(BODY),
    });
    let repository = repository(&server.host());
    let client = Client::new(options()).unwrap();
    let (good, bad) = (Digest::sha256(BODY), Digest::sha256(b"other"));
    let sha512: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    client
        .manifest(&repository, &Reference::Digest(good.clone()))
        .unwrap();
    client
        .manifest(&repository, &Reference::Tag("v2".to_owned()))
        .unwrap();
    assert_eq!(client.blob(&repository, &good).unwrap(), BODY);
    for digest in [bad, sha512] {
        let result = client.manifest(&repository, &Reference::Digest(digest.clone()));
        assert_cause!(result, Cause::Digest { expected, actual } if *expected == digest && *actual == good);
        assert_cause!(client.blob(&repository, &digest), Cause::Digest { .. });
    }
    assert_cause!(client.manifest(&repository, &tag()), Cause::Digest { .. });
}

#[test]
fn each_refusal_has_its_own_error() {
    type Is = fn(&Cause) -> bool;
    let cases: [(u16, Is); 8] = [
        (401, |c| {
            matches!(c, Cause::Unauthorized { sent: false, .. })
        }),
        (403, |c| matches!(c, Cause::Forbidden { .. })),
        (404, |c| matches!(c, Cause::NotFound)),
        (418, |c| matches!(c, Cause::Status { status: 418, .. })),
        (429, |c| matches!(c, Cause::RateLimited { .. })),
        (500, |c| matches!(c, Cause::Server { status: 500, .. })),
        (503, |c| matches!(c, Cause::Server { status: 503, .. })),
        (206, |c| matches!(c, Cause::Status { status: 206, .. })),
    ];
    for (code, is) in cases {
        let server = Server::tls(move |_| status(code));
        let cause = cause(get(&server.host(), options()));
        assert!(is(&cause), "{code}: {cause:?}");
        let attempts = if matches!(code, 429 | 500 | 503) {
            4
        } else {
            1
        };
        assert_eq!(server.asked().len(), attempts, "{code}");
    }
    let server = Server::tls(|_| challenge("Basic"));
    assert_cause!(get(&server.host(), options()), Cause::Unauthorized { code: Some(code), .. } if code == "UNAUTHORIZED");
}

#[test]
fn a_busy_registry_is_asked_again_within_bounds() {
    let attempts = |after: &'static str, limits: Limits| {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let server =
            Server::tls(
                move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                    0 => Reply::Answer(429, vec![("Retry-After", after.to_owned())], vec![]),
                    1 => status(502),
                    2 => Reply::Raw(vec![]),
                    _ => ok(BODY),
                },
            );
        let clock = FakeClock::new();
        let slept = std::sync::Arc::clone(&clock.slept);
        let result = get(
            &server.elsewhere(),
            Options {
                clock: Arc::new(clock),
                limits,
                ..options()
            },
        );
        let slept: Vec<u128> = slept
            .lock()
            .unwrap()
            .iter()
            .map(Duration::as_millis)
            .collect();
        (result, slept)
    };
    let (result, slept) = attempts("3", Limits::default());
    result.unwrap();
    assert_eq!(slept, [3000, 1000, 2000]);
    // A host cannot make us wait as long as it likes, nor longer than there is time.
    assert_eq!(attempts("86400", Limits::default()).1, [10_000, 1000, 2000]);
    assert_eq!(
        attempts("99999999999999999999999999", Limits::default()).1,
        [500, 1000, 2000]
    );
    let (result, slept) = attempts(
        "9",
        Limits {
            total: Duration::from_secs(5),
            ..Limits::default()
        },
    );
    assert_cause!(result, Cause::RateLimited { .. });
    assert!(slept.is_empty());
    let (result, _) = attempts(
        "0",
        Limits {
            attempts: 3,
            ..Limits::default()
        },
    );
    assert_cause!(result, Cause::Connect { .. });
}

#[test]
fn a_plain_registry_that_loses_a_connection_is_asked_again() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server =
        Server::plain(
            move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Reply::Raw(vec![]),
                _ => ok(BODY),
            },
        );
    let clock = Arc::new(FakeClock::new());
    get(&server.host(), Options { clock, ..options() }).unwrap();
}

#[test]
fn garbage_is_told_from_http() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    for garbage in [
        &b"\x00\x01\x02\x03 garbage\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        long.as_bytes(),
    ] {
        let bytes = garbage.to_vec();
        let server = Server::tls(move |_| Reply::Raw(bytes.clone()));
        assert_cause!(
            get(&server.elsewhere(), options()),
            Cause::Malformed {
                what: "not HTTP",
                ..
            }
        );
    }
    for page in [
        "<html>",
        "",
        "[]",
        "{",
        "nul",
        &"[".repeat(100_000),
        r#"{"layers":[{}]}"#,
        r#"{"layers":7}"#,
    ] {
        let bytes = page.as_bytes().to_vec();
        let server = Server::tls(move |_| ok(bytes.clone()));
        assert_cause!(
            get(&server.elsewhere(), options()),
            Cause::Malformed {
                what: "no manifest",
                ..
            }
        );
    }
}

#[test]
fn a_registry_that_never_ends_is_left_in_time() {
    let head = |text: &str| text.as_bytes().to_vec();
    let replies: [Box<dyn Fn() -> Reply + Send + Sync>; 4] = [
        Box::new(|| Reply::Hang),
        Box::new(move || Reply::Drip(head("HTTP/1.1 200 OK\r\nX-Slow: "))),
        Box::new(move || Reply::Drip(head("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"))),
        Box::new(move || {
            Reply::Drip(head(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff;",
            ))
        }),
    ];
    for reply in replies {
        let server = Server::tls(move |_| reply());
        let start = Instant::now();
        assert_cause!(
            get(
                &server.elsewhere(),
                Options {
                    limits: limits(300, 60_000),
                    ..options()
                }
            ),
            Cause::Timeout { .. }
        );
        assert_cause!(
            get(
                &server.elsewhere(),
                Options {
                    limits: limits(60_000, 300),
                    ..options()
                }
            ),
            Cause::Timeout { .. }
        );
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }
    // One that accepts connections and says nothing at all, not even in TLS; and one that is not there.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let port = silent.local_addr().unwrap().port();
    for host in [format!("127.0.0.1:{port}"), format!("{ELSEWHERE}:{port}")] {
        let result = get(
            &host,
            Options {
                limits: limits(300, 60_000),
                ..options()
            },
        );
        assert_cause!(result, Cause::Timeout { .. } | Cause::Connect { .. });
    }
    drop(silent);
    assert_cause!(
        get(&format!("127.0.0.1:{port}"), options()),
        Cause::Connect { .. }
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn sizes_are_bounded() {
    let limits = Limits {
        manifest: 1000,
        blob: 1000,
        ..Limits::default()
    };
    let body = |size: usize| [BODY, &vec![b' '; size - BODY.len()]].concat();
    let stream = move |size: usize| {
        [
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            &body(size)[..],
        ]
        .concat()
    };
    let replies: [(bool, Box<dyn Fn() -> Reply + Send + Sync>); 5] = [
        (true, Box::new(move || ok(body(1000)))),
        (false, Box::new(move || ok(body(1001)))),
        (true, Box::new(move || Reply::Raw(stream(1000)))),
        (false, Box::new(move || Reply::Raw(stream(1001)))),
        (
            false,
            Box::new(|| {
                Reply::Raw(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{}".to_vec(),
                )
            }),
        ),
    ];
    for (fits, reply) in replies {
        let server = Server::tls(move |_| reply());
        let result = get(
            &server.host(),
            Options {
                limits,
                ..options()
            },
        );
        if fits {
            result.unwrap();
        } else {
            assert_cause!(result, Cause::TooLarge { limit: 1000 });
        }
    }
    // Also an error's page, whatever its size, is only an error.
    let server = Server::tls(|_| Reply::Answer(404, vec![], vec![b'x'; 1 << 20]));
    assert_cause!(
        get(
            &server.host(),
            Options {
                limits,
                ..options()
            }
        ),
        Cause::NotFound
    );
}

#[test]
fn a_token_is_fetched_once_for_a_repository() {
    let tokens = Server::tls(|asked| {
        assert_eq!(
            asked.target,
            "/token?service=the%20service&scope=repository%3Ateam%2Fapp%3Apull"
        );
        assert_eq!(asked.authorization(), None);
        ok(r#"{"token":"T1","expires_in":300}"#)
    });
    let realm = format!(
        r#"Bearer realm="https://{}/token",service="the service",scope="repository:team/app:pull""#,
        tokens.host()
    );
    let server = Server::tls(move |asked| match asked.authorization() {
        Some("Bearer T1") => ok(BODY),
        _ => challenge(realm.clone()),
    });
    let client = Client::new(options()).unwrap();
    for _ in 0..3 {
        client
            .manifest(&repository(&server.host()), &tag())
            .unwrap();
    }
    assert_eq!((tokens.asked().len(), server.asked().len()), (1, 4));
}

/// What a registry does that asks for a token of `tokens`, and what came to both.
fn with_tokens(
    reply: &'static str,
    code: u16,
    credentials: fn(&[&str]) -> auth::Credentials,
) -> (Cause, Vec<Asked>) {
    let tokens = Server::tls(move |_| Reply::Answer(code, vec![], reply.into()));
    let realm = format!(r#"Bearer realm="https://{}/token""#, tokens.host());
    let server = Server::tls(move |_| challenge(realm.clone()));
    let credentials = credentials(&[&server.host()]);
    let cause = cause(get(
        &server.host(),
        Options {
            credentials,
            ..options()
        },
    ));
    (cause, tokens.asked())
}

#[test]
fn a_token_service_that_fails_is_no_missing_image() {
    let none: fn(&[&str]) -> auth::Credentials = |_| auth::Credentials::anonymous();
    for bad in [
        "",
        "{}",
        "secret",
        r#"{"token":""}"#,
        r#"{"token":"secret\r\nX: y"}"#,
        r#"{"token":"\u00e9"}"#,
        r#"{"token":7}"#,
    ] {
        let (cause, _) = with_tokens(bad, 200, none);
        assert!(
            matches!(
                cause,
                Cause::Malformed {
                    what: "no token",
                    ..
                }
            ),
            "{bad}: {cause:?}"
        );
    }
    assert!(matches!(
        with_tokens("{}", 404, none).0,
        Cause::Malformed { .. }
    ));
    assert!(matches!(
        with_tokens("{}", 302, none).0,
        Cause::RedirectTarget { .. } | Cause::Redirects { .. }
    ));
    assert!(matches!(
        with_tokens("{}", 500, none).0,
        Cause::Server { status: 500, .. }
    ));
    assert!(matches!(
        with_tokens("{}", 429, none).0,
        Cause::RateLimited { .. }
    ));
    assert!(matches!(
        with_tokens("{}", 401, none).0,
        Cause::Unauthorized { sent: false, .. }
    ));
    assert!(matches!(
        with_tokens("{}", 401, logins).0,
        Cause::Unauthorized { sent: true, .. }
    ));
    // A token that the registry then does not take.
    assert!(matches!(
        with_tokens(r#"{"access_token":"x"}"#, 200, none).0,
        Cause::Unauthorized { sent: false, .. }
    ));
    let (cause, asked) = with_tokens(r#"{"token":"x"}"#, 200, logins);
    assert!(
        matches!(cause, Cause::Unauthorized { sent: true, .. }),
        "{cause:?}"
    );
    assert_eq!(asked[0].authorization(), Some(BASIC));
}

#[test]
fn logins_are_sent_where_they_belong() {
    let server = Server::tls(|asked| match asked.authorization() {
        Some(BASIC) => ok(BODY),
        _ => challenge("Basic realm=x"),
    });
    let with = |hosts: &[&str]| Options {
        credentials: logins(hosts),
        ..options()
    };
    get(&server.elsewhere(), with(&[&server.elsewhere()])).unwrap();
    assert_cause!(
        get(&server.elsewhere(), with(&["other.test"])),
        Cause::Unauthorized { sent: false, .. }
    );

    let refresh = |asked: &Asked| {
        assert_eq!(asked.method, "POST");
        assert_eq!(
            asked.body,
            "service=s&scope=repository%3Ateam%2Fapp%3Apull&grant_type=refresh_token&client_id=verified-dockerfile&refresh_token=r%2F1"
        );
        ok(r#"{"access_token":"T"}"#)
    };
    let tokens = Server::tls(refresh);
    let realm = format!(
        r#"Bearer realm="https://{}/token",service=s"#,
        tokens.host()
    );
    let server = Server::tls(move |asked| match asked.authorization() {
        Some("Bearer T") => ok(BODY),
        _ => challenge(realm.clone()),
    });
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"r/1"}}}}}}"#,
        server.host()
    );
    let credentials = auth::Credentials::from_docker_config(config.as_bytes()).unwrap();
    get(
        &server.host(),
        Options {
            credentials,
            ..options()
        },
    )
    .unwrap();

    let config = format!(
        r#"{{"auths":{{"{}":{{"registrytoken":"T"}}}}}}"#,
        server.host()
    );
    let credentials = auth::Credentials::from_docker_config(config.as_bytes()).unwrap();
    get(
        &server.host(),
        Options {
            credentials,
            ..options()
        },
    )
    .unwrap();
    assert_eq!(tokens.asked().len(), 1);

    // A helper cannot run; that matters only where anonymous access is not enough.
    let config = br#"{"credsStore":"desktop"}"#;
    let credentials = || auth::Credentials::from_docker_config(config).unwrap();
    get(
        &Server::tls(|_| ok(BODY)).host(),
        Options {
            credentials: credentials(),
            ..options()
        },
    )
    .unwrap();
    let server = Server::tls(|_| challenge("Basic"));
    let result = get(
        &server.host(),
        Options {
            credentials: credentials(),
            ..options()
        },
    );
    assert_cause!(result, Cause::CredentialHelper { helper, .. } if helper == "desktop");
}

#[test]
fn logins_need_verified_tls() {
    let tokens = Server::tls(|_| ok(r#"{"token":"T"}"#));
    for scheme in [
        "Basic".to_owned(),
        format!(r#"Bearer realm="https://{}/t""#, tokens.host()),
    ] {
        let scheme = move |_: &Asked| challenge(scheme.clone());
        let (plain, tls) = (Server::plain(scheme.clone()), Server::tls(scheme));
        let with = |server: &Server, roots| Options {
            credentials: logins(&[&server.host()]),
            roots,
            ..options()
        };
        assert_cause!(
            get(&plain.host(), with(&plain, roots())),
            Cause::Unprotected { .. }
        );
        assert_cause!(
            get(&tls.host(), with(&tls, None)),
            Cause::Unprotected { .. }
        );
        for asked in plain.asked().iter().chain(&tls.asked()) {
            assert_eq!(asked.authorization(), None);
        }
    }
    assert!(tokens.asked().is_empty());
    // Nor does a registry with TLS get to name a token service without.
    let tokens = Server::plain(|_| ok(r#"{"token":"T"}"#));
    let realm = format!(r#"Bearer realm="http://{}/t""#, tokens.host());
    let server = Server::tls(move |_| challenge(realm.clone()));
    for credentials in [logins(&[&server.host()]), auth::Credentials::anonymous()] {
        assert_cause!(
            get(
                &server.host(),
                Options {
                    credentials,
                    ..options()
                }
            ),
            Cause::Malformed { .. }
        );
    }
    assert!(tokens.asked().is_empty());
    // Without a login, a registry without TLS may have such a service.
    let realm = format!(r#"Bearer realm="http://{}/t""#, tokens.host());
    let server = Server::plain(move |asked| match asked.authorization() {
        Some("Bearer T") => ok(BODY),
        _ => challenge(realm.clone()),
    });
    get(&server.host(), options()).unwrap();
}

#[test]
fn redirects_take_no_credentials_along() {
    let cdn = Server::tls(|_| ok(BODY));
    let to = format!("https://{}/blob?signed=secret", cdn.elsewhere());
    let server = Server::tls(
        move |asked| match (asked.authorization(), asked.target.as_str()) {
            (None, _) => challenge("Basic"),
            (_, "/here") => redirect(to.clone()),
            _ => redirect("/here"),
        },
    );
    let credentials = logins(&[&server.host(), &cdn.elsewhere()]);
    get(
        &server.host(),
        Options {
            credentials,
            ..options()
        },
    )
    .unwrap();
    let asked = cdn.asked();
    assert_eq!((asked.len(), asked[0].authorization()), (1, None));
    assert_eq!(asked[0].target, "/blob?signed=secret");
    assert_eq!(
        server
            .asked()
            .iter()
            .filter(|asked| asked.authorization() == Some(BASIC))
            .count(),
        2
    );

    // A challenge from there is not answered, and its failure does not show its address.
    let thief = Server::tls(|_| challenge("Basic"));
    let to = format!("https://{}/?signed=secret", thief.elsewhere());
    let server = Server::tls(move |_| redirect(to.clone()));
    let credentials = logins(&[&server.host(), &thief.elsewhere()]);
    assert_cause!(get(&server.host(), Options { credentials, ..options() }), Cause::Unauthorized { host, .. } if *host == thief.elsewhere());
    assert_eq!(thief.asked().len(), 1);
    assert_eq!(thief.asked()[0].authorization(), None);
}

#[test]
fn redirects_are_bounded_and_keep_tls() {
    let server = Server::tls(|_| redirect("/again"));
    assert_cause!(get(&server.host(), options()), Cause::Redirects { .. });
    assert_eq!(server.asked().len(), 6);

    let cdn = Server::plain(|_| ok(BODY));
    let to = |host: String| move |_: &Asked| redirect(format!("http://{host}/?signed=secret"));
    let (tls, plain) = (Server::tls(to(cdn.host())), Server::plain(to(cdn.host())));
    assert_cause!(get(&tls.host(), options()), Cause::RedirectTarget { .. });
    get(&plain.host(), options()).unwrap();
    let away = Server::plain(to(cdn.elsewhere()));
    assert_cause!(get(&away.host(), options()), Cause::RedirectTarget { .. });
    assert_eq!(cdn.asked().len(), 1);
    for bad in [
        "",
        "relative",
        "ftp://a.test/",
        "file:///etc/passwd",
        "https://user:hunter2@a.test/",
    ] {
        let server = Server::tls(move |_| redirect(bad));
        assert_cause!(get(&server.host(), options()), Cause::RedirectTarget { .. });
    }
    let server = Server::tls(|_| status(302));
    assert_cause!(get(&server.host(), options()), Cause::RedirectTarget { .. });
}

#[test]
fn lists_have_pages() {
    let page = |body: &'static str, next: &'static str| {
        Reply::Answer(200, vec![("Link", next.to_owned())], body.into())
    };
    let server = Server::plain(move |asked| match asked.target.as_str() {
        "/v2/team/app/tags/list?n=1000" => page(
            r#"{"tags":["a","b"]}"#,
            r#"</v2/team/app/tags/list?last=b>; rel="next""#,
        ),
        "/v2/team/app/tags/list?last=b" => page(
            r#"{"tags":null}"#,
            r#"</v2/team/app/tags/list?last=c>; rel=next"#,
        ),
        "/v2/team/app/tags/list?last=c" => page(r#"{"tags":["c"]}"#, r#"</v2/x>; rel="prev""#),
        _ => status(500),
    });
    let tags = |host: &str, limits| {
        Client::new(Options {
            limits,
            ..options()
        })
        .unwrap()
        .tags(&repository(host))
    };
    assert_eq!(
        tags(&server.host(), Limits::default()).unwrap(),
        ["a", "b", "c"]
    );

    let endless = Server::tls(move |_| page(r#"{"tags":["a"]}"#, r#"</v2/x>; rel="next""#));
    assert_cause!(
        tags(&endless.host(), Limits::default()),
        Cause::TooManyPages { limit: 16 }
    );
    let small = Limits {
        manifest: 40,
        ..Limits::default()
    };
    assert_cause!(tags(&endless.host(), small), Cause::TooLarge { limit: 40 });
    let other = Server::tls(move |_| page("{}", r#"<https://127.0.0.1:1/v2/x>; rel="next""#));
    assert_cause!(
        tags(&other.host(), Limits::default()),
        Cause::Malformed { .. }
    );
    let bad = Server::tls(|_| ok("[7]"));
    assert_cause!(
        tags(&bad.host(), Limits::default()),
        Cause::Malformed {
            what: "no list",
            ..
        }
    );
}
