//! The environment.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt,
};

use crate::gateway::{Session, SessionError, is_frontend};

fn env(variables: &[(&str, &str)]) -> Result<Session, SessionError> {
    Session::from_env(
        variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

#[test]
fn options_are_split_at_the_first_equals_sign() {
    let session = env(&[
        ("BUILDKIT_FRONTEND_OPT_0", "filename=Dockerfile"),
        ("BUILDKIT_FRONTEND_OPT_17", "build-arg:A=b=c\nd=\n"),
        ("BUILDKIT_FRONTEND_OPT_", "no-cache="),
        ("BUILDKIT_FRONTEND_OPT_x", "bare"),
        ("BUILDKIT_FRONTEND_OP", "not=one"),
        ("HOME", "/root"),
        ("BUILDKIT_SESSION_ID", "abc"),
        ("BUILDKIT_EXPORTEDPRODUCT", "docker"),
    ])
    .unwrap();
    let options: Vec<_> = session
        .options
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        options,
        [
            ("bare", ""),
            ("build-arg:A", "b=c\nd=\n"),
            ("filename", "Dockerfile"),
            ("no-cache", "")
        ]
    );
    assert_eq!(
        (session.id.as_str(), session.product.as_str()),
        ("abc", "docker")
    );
    assert!(session.workers.is_empty());
}

#[test]
fn two_values_for_one_option_are_refused() {
    let same = [
        ("BUILDKIT_FRONTEND_OPT_0", "target=a"),
        ("BUILDKIT_FRONTEND_OPT_1", "target=a"),
    ];
    assert!(env(&same).is_ok());
    let other = [
        ("BUILDKIT_FRONTEND_OPT_0", "target=a"),
        ("BUILDKIT_FRONTEND_OPT_1", "target=b"),
    ];
    assert!(matches!(env(&other), Err(SessionError::Twice(key)) if key == "target"));
}

#[test]
fn only_buildkits_own_variables_must_be_utf8() {
    let bad = || OsString::from_vec(vec![b'a', b'=', 0xff]);
    for name in [
        "BUILDKIT_FRONTEND_OPT_0",
        "BUILDKIT_SESSION_ID",
        "BUILDKIT_EXPORTEDPRODUCT",
        "BUILDKIT_WORKERS",
    ] {
        let error = Session::from_env([(OsString::from(name), bad())]).unwrap_err();
        assert!(matches!(error, SessionError::NotUtf8(..)), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let elsewhere = [
        (OsString::from("LANG"), bad()),
        (OsString::from_vec(vec![0xff]), OsString::new()),
    ];
    assert_eq!(Session::from_env(elsewhere).unwrap(), Session::default());
    let name = OsString::from_vec(b"BUILDKIT_FRONTEND_OPT_\xff".to_vec());
    let session = Session::from_env([(name, OsString::from("a=b"))]).unwrap();
    assert_eq!(session.options["a"], "b", "the index means nothing");
}

#[test]
fn workers_come_with_platforms_and_version() {
    let json = r#"[{"id":"w1","labels":{"a":"b"},"platforms":[
        {"architecture":"amd64","os":"linux"},
        {"architecture":"arm64","os":"windows","variant":"v8","os.version":"10.0","os.features":["win32k"]}],
        "gcPolicy":[],"buildkitVersion":{"package":"p","version":"v0.13.2","revision":"r"},"cdiDevices":null},
        {"id":"w2","platforms":null,"buildkitVersion":{"version":"v0.0.0+unknown-moby"}}]"#;
    let workers = env(&[("BUILDKIT_WORKERS", json)]).unwrap().workers;
    assert_eq!(workers.len(), 2);
    assert_eq!(workers[0].version(), Some("v0.13.2"));
    assert_eq!(
        (
            workers[0].platforms[0].os.as_str(),
            workers[0].platforms[0].architecture.as_str()
        ),
        ("linux", "amd64")
    );
    let windows = &workers[0].platforms[1];
    assert_eq!(
        (windows.variant.as_str(), windows.os_version.as_str()),
        ("v8", "10.0")
    );
    assert_eq!(windows.os_features, ["win32k"]);
    assert_eq!((workers[1].id.as_str(), workers[1].version()), ("w2", None));
    assert!(workers[1].platforms.is_empty());
    for none in ["null", "[]", ""] {
        assert!(
            env(&[("BUILDKIT_WORKERS", none)])
                .unwrap()
                .workers
                .is_empty()
        );
    }
    for bad in ["{}", "[", r#"[{"id":1}]"#] {
        assert!(
            matches!(
                env(&[("BUILDKIT_WORKERS", bad)]),
                Err(SessionError::Workers(_))
            ),
            "{bad}"
        );
    }
}

#[test]
fn a_frontend_is_told_by_session_and_workers() {
    let is = |names: &[&str]| is_frontend(names.iter().map(OsStr::new));
    assert!(is(&["PATH", "BUILDKIT_SESSION_ID", "BUILDKIT_WORKERS"]));
    assert!(!is(&["BUILDKIT_SESSION_ID"]));
    assert!(!is(&["BUILDKIT_WORKERS", "BUILDKIT_FRONTEND_OPT_0"]));
    assert!(!is(&[]));
}
