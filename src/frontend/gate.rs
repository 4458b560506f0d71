//! The gate: every graph that the stock frontend made is compared with what was verified, before anything of it runs.

use std::collections::BTreeSet;

use super::options::Options;
use crate::{
    digest::Digest,
    fetch::{Platform, Source},
    gateway::BuildResult,
    llb::{
        audit::{
            Demand, Escape, ExecDecision, ExecPolicy, ExecRequest, Expected, GitPin, HttpPin,
            ImagePin, OciPin, SourceFile, audit,
        },
        ops::{HostIp, Platform as LlbPlatform, ProxyEnv},
    },
    pipeline::{Outcome, command_text, run_refusal},
    policy::{Pin, Policy, RunNeeds},
    report::{Finding, Kind, Place},
    rewrite::edit::Edited,
};

/// What the policy says of commands, asked with what the graph itself says of them.
struct Commands<'a> {
    policy: &'a Policy,
    now: jiff::Timestamp,
}

impl ExecPolicy for Commands<'_> {
    fn judge(&self, request: &ExecRequest<'_>) -> ExecDecision {
        let mut needs = RunNeeds::default();
        let mut agent = false;
        for demand in request.demands {
            match demand {
                Demand::Network => needs.network = true,
                Demand::HostNetwork => needs.host_network = true,
                Demand::Insecure => needs.insecure = true,
                Demand::Ssh { .. } => agent = true,
                Demand::Device { .. } => needs.devices = true,
                // What earlier steps of this builder left; nothing is fetched by it.
                Demand::Cache { .. } => {}
            }
        }
        // Without network an agent can sign for the step, but the step cannot fetch.
        needs.ssh = agent && (needs.network || needs.host_network);
        match run_refusal(self.policy, &command_text(request.argv), needs, self.now) {
            None => ExecDecision::Allowed {
                by: "policy".to_owned(),
            },
            Some((why, next)) => ExecDecision::Refused { why, next },
        }
    }
}

/// Adds to `expected` what the pipeline verified, and what the options of the build bring.
pub fn expect(
    expected: &mut Expected,
    outcome: &Outcome,
    options: &Options,
    session: &str,
    build_platform: &Platform,
) {
    expected.platforms.insert(platform(build_platform));
    for built in &outcome.platforms {
        expected.platforms.insert(platform(&built.platform));
        for (fetch, judged) in built.plan.fetches.iter().zip(&built.fetches) {
            let Some((pin, _)) = &judged.pin else {
                continue;
            };
            match (&fetch.source, pin) {
                (
                    Source::Image {
                        reference,
                        platform: wanted,
                    },
                    Pin::Digest(digest),
                ) => {
                    expected.platforms.insert(platform(wanted));
                    expected.images.insert(ImagePin {
                        repository: reference.repository(),
                        digest: digest.clone(),
                    });
                }
                (Source::Http { url, .. }, Pin::Digest(digest)) => {
                    expected
                        .http
                        .entry(url.clone())
                        .or_default()
                        .push(HttpPin::from(digest.clone()));
                }
                (Source::Git(source), Pin::Commit(commit)) => {
                    let mut pin = GitPin::commit(commit);
                    pin.refs.insert(source.reference.clone());
                    if !source.subdir.is_empty() {
                        pin.subdirs.insert(source.subdir.clone());
                    }
                    expected
                        .git
                        .entry(source.remote.clone())
                        .or_default()
                        .push(pin);
                }
                (
                    Source::Context {
                        key,
                        platform: wanted,
                    },
                    pin,
                ) => {
                    expected.platforms.insert(platform(wanted));
                    context(
                        expected,
                        built.contexts.get(key).map(String::as_str),
                        judged.image.as_ref(),
                        pin,
                        session,
                    );
                }
                _ => {}
            }
        }
        for value in built.contexts.values() {
            if let Some(name) = value.strip_prefix("local:") {
                local(expected, options, name, session);
            }
        }
    }
    local(expected, options, "context", session);
    expected.extra_hosts.extend(extra_hosts(options));
    expected.proxy = proxies(options);
}

fn local(expected: &mut Expected, options: &Options, name: &str, session: &str) {
    let session = options.local_session(name).unwrap_or(session);
    expected
        .locals
        .entry(name.to_owned())
        .or_default()
        .insert(session.to_owned());
}

fn context(
    expected: &mut Expected,
    value: Option<&str>,
    image: Option<&crate::reference::ImageReference>,
    pin: &Pin,
    session: &str,
) {
    match (pin, image, value) {
        (Pin::Digest(digest), Some(image), _) => {
            expected.images.insert(ImagePin {
                repository: image.repository(),
                digest: digest.clone(),
            });
        }
        (Pin::Digest(digest), None, Some(value)) if value.starts_with("oci-layout:") => {
            if let Some((store, _)) = crate::reference::layout(value) {
                expected.oci_layouts.insert(OciPin {
                    store: store.to_owned(),
                    session: session.to_owned(),
                    digest: digest.clone(),
                });
            }
        }
        (Pin::Digest(digest), None, Some(url)) => {
            expected
                .http
                .entry(url.to_owned())
                .or_default()
                .push(HttpPin::from(digest.clone()));
        }
        (Pin::Commit(commit), _, Some(url)) => {
            if let Ok(Some(source)) = crate::fetch::git_url(url) {
                let mut pin = GitPin::commit(commit);
                if !source.subdir.is_empty() {
                    pin.subdirs.insert(source.subdir);
                }
                expected.git.entry(source.remote).or_default().push(pin);
            }
        }
        _ => {}
    }
}

/// An image that is used besides those of the Dockerfile: the scanner of an SBOM.
pub fn expect_image(expected: &mut Expected, repository: String, digest: Digest) {
    expected.images.insert(ImagePin { repository, digest });
}

/// The platform as the graph has it.
pub(super) fn platform(platform: &Platform) -> LlbPlatform {
    let platform = platform.normalize();
    LlbPlatform {
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant,
        os_version: platform.os_version,
        os_features: platform.os_features,
    }
}

/// `add-hosts`: `name=address` by comma. Source: BuildKit `dockerui/attr.go`, `parseExtraHosts`.
fn extra_hosts(options: &Options) -> BTreeSet<HostIp> {
    options
        .get("add-hosts")
        .unwrap_or_default()
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(host, ip)| {
            let ip: std::net::IpAddr = ip.parse().ok()?;
            Some(HostIp {
                host: host.to_lowercase(),
                ip: ip.to_canonical().to_string(),
            })
        })
        .collect()
}

/// The proxies among the build arguments. Source: BuildKit `dockerfile2llb/convert.go`, `proxyEnvFromBuildArgs`.
fn proxies(options: &Options) -> Option<ProxyEnv> {
    let mut proxy = ProxyEnv::default();
    let mut any = false;
    for (name, value) in options.build_args() {
        let field = match name.to_ascii_lowercase().as_str() {
            "http_proxy" => &mut proxy.http_proxy,
            "https_proxy" => &mut proxy.https_proxy,
            "ftp_proxy" => &mut proxy.ftp_proxy,
            "no_proxy" => &mut proxy.no_proxy,
            "all_proxy" => &mut proxy.all_proxy,
            _ => continue,
        };
        *field = value;
        any = true;
    }
    any.then_some(proxy)
}

/// Compares every graph of `result` with `expected`. What escaped, at the user's own lines; empty if nothing did.
pub fn check(
    result: &BuildResult,
    expected: &Expected,
    filename: &str,
    rewritten: &Edited,
    policy: &Policy,
    now: jiff::Timestamp,
) -> Vec<Finding> {
    let mut expected = expected.clone();
    expected.files.push(SourceFile {
        filename: filename.to_owned(),
        data: rewritten.bytes.clone(),
    });
    let commands = Commands { policy, now };
    let mut findings = Vec::new();
    for (place, reference) in result.all_refs() {
        let Some(definition) = &reference.definition else {
            continue;
        };
        if let Err(escapes) = audit(definition, &expected, &commands) {
            findings.extend(
                escapes
                    .into_iter()
                    .map(|escape| finding(escape, &place, filename, rewritten)),
            );
        }
    }
    findings
}

fn finding(escape: Escape, place: &str, filename: &str, rewritten: &Edited) -> Finding {
    let lines = escape.lines.iter().find(|lines| lines.filename == filename);
    Finding {
        kind: Kind::Escaped,
        file: filename.to_owned(),
        place: lines.map(|lines| {
            let (start, end) = (
                rewritten.original_line(lines.start),
                rewritten.original_line(lines.end),
            );
            Place::lines(start, end.max(start))
        }),
        subject: format!("audit of {place} ({})", escape.kind.code()),
        cause: escape.reason,
        next: escape.next,
    }
}
