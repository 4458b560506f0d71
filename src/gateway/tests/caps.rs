//! Which daemons are new enough, and for what.

use crate::gateway::{
    Capabilities, Capability, Session, Worker,
    proto::{ApiCap, PongResponse},
    support,
};

fn caps(frontend: &[(&str, bool)], llb: &[(&str, bool)]) -> Capabilities {
    let list = |caps: &[(&str, bool)]| {
        caps.iter()
            .map(|&(id, enabled)| ApiCap {
                id: id.to_owned(),
                enabled,
            })
            .collect()
    };
    Capabilities::from_pong(PongResponse {
        frontend_caps: list(frontend),
        llb_caps: list(llb),
    })
}

fn workers(version: &str) -> Vec<Worker> {
    let json = format!(r#"[{{"id":"w","buildkitVersion":{{"version":"{version}"}}}}]"#);
    Session::from_env([("BUILDKIT_WORKERS".into(), json.into())])
        .unwrap()
        .workers
}

/// What v0.11 added to the gateway protocol, and what v0.12 did.
const V11: &[(&str, bool)] = &[("gateway.evaluate", true), ("reference.attestations", true)];
const V12: &[(&str, bool)] = &[("gateway.evaluate", true), ("gateway.exec.secretenv", true)];

#[test]
fn older_than_v0_12_is_refused_and_says_what_to_upgrade() {
    assert_eq!(support(&caps(V12, &[]), &[]), Ok(()));
    assert_eq!(
        support(&caps(V12, &[]), &workers("v0.11.6")),
        Ok(()),
        "capabilities decide, not names"
    );
    let error = support(&caps(V11, &[]), &workers("v0.11.6")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this BuildKit (v0.11.6) cannot build with verified-dockerfile: that needs BuildKit v0.12 or newer \
         (capability gateway.exec.secretenv). Upgrade Docker Engine to 25.0 or newer, or build with a newer \
         BuildKit: docker buildx create --driver docker-container --use"
    );
    assert!(
        support(&caps(V11, &[]), &[])
            .unwrap_err()
            .to_string()
            .starts_with("this BuildKit cannot")
    );
    assert!(support(&caps(&[("gateway.exec.secretenv", false)], &[]), &[]).is_err());
    // A daemon that lists nothing is older than all of them.
    assert!(support(&caps(&[], &[]), &[]).is_err());
}

#[test]
fn an_empty_list_means_what_all_daemons_can() {
    let none = caps(&[], &[]);
    assert!(none.has(Capability::HTTP_CHECKSUM));
    assert!(!none.has(Capability::EVALUATE));
    assert!(!none.has(Capability::GIT_CHECKSUM));
    // A list that isn't empty is the whole list.
    assert!(!caps(&[], &[("source.git", true)]).has(Capability::HTTP_CHECKSUM));
}

#[test]
fn a_capability_counts_in_its_own_list_and_only_if_enabled() {
    let git = "source.git.checksum";
    assert!(caps(&[], &[(git, true)]).has(Capability::GIT_CHECKSUM));
    assert!(!caps(&[], &[(git, false)]).has(Capability::GIT_CHECKSUM));
    assert!(!caps(&[(git, true)], &[("x", true)]).has(Capability::GIT_CHECKSUM));
    assert!(!caps(&[], &[(git, true), (git, false)]).has(Capability::GIT_CHECKSUM));
}

#[test]
fn what_is_missing_names_the_version_to_upgrade_to() {
    let error = caps(V12, &[])
        .require(Capability::SOURCE_META_GIT_HTTP)
        .unwrap_err();
    assert!(
        error.to_string().contains("needs BuildKit v0.26 or newer"),
        "{error}"
    );
    assert!(
        error.to_string().contains("Docker Engine to 29.1 or newer"),
        "{error}"
    );
}

#[test]
fn requests_may_be_larger_from_v0_14_on() {
    assert_eq!(caps(V12, &[]).max_request(), 4 << 20);
    assert_eq!(
        caps(V12, &[("file.copy.alwaysreplaceexistingdestpaths", true)]).max_request(),
        16 << 20
    );
}
