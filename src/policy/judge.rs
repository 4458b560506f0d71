//! The verdicts.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    Policy,
    demand::{Acceptance, Demand, ProofAt, SignedBy},
    glob::matches_text,
    proofs::{self, Fixed, Unchecked, Wanted},
    read::{Grant, Layer, MAX_COMMAND, Rule, split_tag},
    url::{self, UrlError},
    verdict::{By, Passed, Refusal, RuleAt, Verdict},
};
use crate::{
    digest::Digest,
    lock::Evidence,
    reference::ImageReference,
    verify::{attestation, git::Signed},
};

/// How long the acceptance proposed in a refusal lasts, in days.
const PROPOSED_DAYS: i64 = 90;

/// What is fetched, in the one spelling that rules are matched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Image {
        repository: String,
        tag: Option<String>,
    },
    Layout(String),
    Http(String, Body),
    Git {
        remote: String,
        /// As the Dockerfile names it.
        reference: String,
    },
}

/// What is known of a file that a RUN step downloads, besides its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Whether the step compares its digest with one that stands in the Dockerfile.
    pub compared: bool,
    /// The fingerprints of the OpenPGP keys that it consists of; none if it has anything else in it, or was not looked at.
    pub keys: Vec<String>,
}

impl Subject {
    /// An image, by the reference the user gave. Its digest is judged apart; without tag and digest it has the tag `latest`.
    #[must_use]
    pub fn image(reference: &ImageReference) -> Self {
        let reference = reference.clone().with_default_tag();
        let tag = reference.tag().map(str::to_owned);
        Self(Name::Image {
            repository: reference.repository(),
            tag,
        })
    }

    /// An image of an OCI layout, by the store's name (what stands between `oci-layout://` and `@` or `:`).
    #[must_use]
    pub fn layout(store: &str) -> Self {
        Self(Name::Layout(format!("oci-layout://{store}")))
    }

    /// A file at an `http` or `https` URL.
    ///
    /// # Errors
    /// A URL that cannot be judged.
    pub fn http(url: &str) -> Result<Self, UrlError> {
        Self::body(url, Body::default())
    }

    /// A file at an `http` or `https` URL, which a RUN step downloads.
    ///
    /// # Errors
    /// A URL that cannot be judged.
    pub fn body(url: &str, body: Body) -> Result<Self, UrlError> {
        Ok(Self(Name::Http(url::http(url)?, body)))
    }

    /// A git repository, by its remote URL without fragment, and the tag, branch or commit that is asked for: nothing for
    /// the default branch.
    ///
    /// # Errors
    /// A remote that cannot be judged.
    pub fn git(remote: &str, reference: &str) -> Result<Self, UrlError> {
        Ok(Self(Name::Git {
            remote: url::git(remote)?,
            reference: reference.to_owned(),
        }))
    }

    /// This, fixed to `pin`; `None` if the pin is of another kind.
    fn fixed<'a>(&'a self, pin: &'a Pin) -> Option<Fixed<'a>> {
        match (pin, &self.0) {
            (Pin::Digest(digest), Name::Image { .. } | Name::Layout(_)) => Some(Fixed::Image {
                digest,
                repository: self.repository(),
            }),
            (Pin::Digest(digest), Name::Http(url, _)) => Some(Fixed::File { digest, url }),
            (Pin::Commit(commit), Name::Git { reference, .. }) if is_commit(commit) => {
                Some(Fixed::Commit { commit, reference })
            }
            _ => None,
        }
    }

    fn kind(&self) -> &'static str {
        match &self.0 {
            Name::Image { .. } | Name::Layout(_) => "image",
            Name::Http(..) => "http",
            Name::Git { .. } => "git",
        }
    }

    /// The name that a rule for exactly this would have.
    fn pattern(&self) -> &str {
        match &self.0 {
            Name::Image { repository, .. } => repository,
            Name::Layout(name) | Name::Http(name, _) | Name::Git { remote: name, .. } => name,
        }
    }

    fn repository(&self) -> Option<&str> {
        match &self.0 {
            Name::Image { repository, .. } => Some(repository),
            _ => None,
        }
    }

    fn rule<'l>(&self, layer: &'l Layer) -> Option<&'l Rule<Demand>> {
        match &self.0 {
            Name::Image { repository, tag } => layer.images.iter().find(|rule| {
                // A pattern without a tag covers every tag; one with a tag covers names by digest alone not at all.
                match (split_tag(&rule.at.pattern), tag) {
                    ((_, None), _) => rule.glob.matches(repository),
                    ((_, Some(_)), Some(tag)) => rule.glob.matches(&format!("{repository}:{tag}")),
                    ((_, Some(_)), None) => false,
                }
            }),
            Name::Layout(name) => layer.images.iter().find(|rule| {
                rule.at.pattern.starts_with("oci-layout://") && rule.glob.matches(name)
            }),
            Name::Http(name, _) => layer.http.iter().find(|rule| rule.glob.matches(name)),
            Name::Git { remote, .. } => layer.git.iter().find(|rule| rule.glob.matches(remote)),
        }
    }
}

/// What the build uses, fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// An image's or a file's digest.
    Digest(Digest),
    /// A git commit: 40 or 64 lower-case hexadecimal digits.
    Commit(String),
}

/// What a RUN step wants beyond an isolated sandbox without network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunNeeds {
    /// A network: the sandbox's default one.
    pub network: bool,
    /// The host's network (`--network=host`).
    pub host_network: bool,
    /// `--security=insecure`.
    pub insecure: bool,
    /// An SSH agent mounted in a step that has a network.
    pub ssh: bool,
    /// `--device`.
    pub devices: bool,
}

/// What a local folder takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The base of a stage, or a stage (`FROM`): without a rule the folder is refused.
    Base,
    /// The source of `COPY --from` or a mount: without a rule the folder is the user's own, as the build context is.
    Source,
}

impl Policy {
    /// The proofs that [`judge`](Self::judge) needs, each once. They are worth fetching if no layer refuses anyway: then there
    /// are none.
    #[must_use]
    pub fn wanted(&self, subject: &Subject, now: Timestamp) -> Vec<Wanted> {
        let mut all = Vec::new();
        for layer in &self.layers {
            match subject.rule(layer).map(|rule| &rule.then) {
                Some(Demand::Signed(demand)) => {
                    let wanted = proofs::wanted(demand, subject.pattern());
                    if !all.contains(&wanted) {
                        all.push(wanted);
                    }
                }
                Some(Demand::Accepted(acceptance)) if !expired(acceptance, now) => {}
                Some(Demand::Compared(_) | Demand::Keys(_)) => {}
                _ => return Vec::new(),
            }
        }
        all
    }

    /// The signatures that only somebody with the file's bytes can check, and that could make a difference.
    #[must_use]
    pub fn unchecked(
        &self,
        subject: &Subject,
        pin: &Pin,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Vec<Unchecked> {
        let mut all = Vec::new();
        let Some(fixed) = subject.fixed(pin) else {
            return all;
        };
        for layer in &self.layers {
            if let Some(Demand::Signed(demand)) = subject.rule(layer).map(|rule| &rule.then) {
                for pair in proofs::unchecked(fixed, demand, evidence, now) {
                    if !all.contains(&pair) {
                        all.push(pair);
                    }
                }
            }
        }
        all
    }

    /// Whether a checksum list could make a difference, were the file's digest by other hash functions known.
    #[must_use]
    pub fn needs_digests(
        &self,
        subject: &Subject,
        pin: &Pin,
        evidence: &Evidence,
        now: Timestamp,
    ) -> bool {
        let Some(fixed) = subject.fixed(pin) else {
            return false;
        };
        self.layers
            .iter()
            .any(|layer| match subject.rule(layer).map(|rule| &rule.then) {
                Some(Demand::Signed(demand)) => proofs::needs_digests(fixed, demand, evidence, now),
                _ => false,
            })
    }

    /// The refusal of `subject` whatever it is fixed to and whoever signed it, if there is one: a layer has no rule for
    /// it, or one that has expired. Worth asking before anybody outside is.
    pub fn refuses(&self, subject: &Subject, now: Timestamp) -> Option<Verdict> {
        let refusals: Vec<Refusal> = self
            .layers
            .iter()
            .filter_map(|layer| match subject.rule(layer) {
                None => Some(self.no_rule(layer, subject, now)),
                Some(rule) => match &rule.then {
                    Demand::Accepted(acceptance) => {
                        accepted(layer, &rule.at, acceptance, now).err()
                    }
                    Demand::Compared(acceptance) => {
                        compared(layer, &rule.at, acceptance, subject, now).err()
                    }
                    Demand::Keys(prints) => keys(layer, &rule.at, prints, subject).err(),
                    Demand::Signed(_) => None,
                },
            })
            .collect();
        (!refusals.is_empty()).then_some(Verdict::Refused(refusals))
    }

    /// Whether the keys in what is downloaded as `subject` make a difference.
    #[must_use]
    pub fn wants_keys(&self, subject: &Subject) -> bool {
        let mut rules = self.layers.iter().filter_map(|layer| subject.rule(layer));
        rules.any(|rule| matches!(rule.then, Demand::Keys(_)))
    }

    /// Whether it makes a difference which tags of the repository `subject` are signed.
    #[must_use]
    pub fn wants_tags(&self, subject: &Subject) -> bool {
        let mut rules = self.layers.iter().filter_map(|layer| subject.rule(layer));
        rules.any(|rule| match &rule.then {
            Demand::Signed(demand) => demand.at == ProofAt::Repository(Signed::Tag),
            _ => false,
        })
    }

    /// The verdict on a fetch of `subject` that is fixed to `pin`.
    pub fn judge(
        &self,
        subject: &Subject,
        pin: &Pin,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Verdict {
        Verdict::combine(self.layers.iter().map(|layer| {
            let Some(rule) = subject.rule(layer) else {
                return Err(self.no_rule(layer, subject, now));
            };
            let refused = |cause: String, next: String| Refusal {
                layer: layer.file.clone(),
                rule: Some(rule.at.clone()),
                cause,
                next,
            };
            let Some(fixed) = subject.fixed(pin) else {
                return Err(refused(
                    "it is fixed by neither a digest nor a full commit".to_owned(),
                    "report this: an internal check failed".to_owned(),
                ));
            };
            match &rule.then {
                Demand::Accepted(acceptance) => accepted(layer, &rule.at, acceptance, now),
                Demand::Compared(acceptance) => compared(layer, &rule.at, acceptance, subject, now),
                Demand::Keys(prints) => keys(layer, &rule.at, prints, subject),
                Demand::Signed(demand) => proofs::signed(fixed, demand, evidence, now)
                    .map(|by| Passed {
                        layer: layer.file.clone(),
                        rule: rule.at.clone(),
                        by,
                    })
                    .map_err(|cause| refused(cause, sign_it(subject, demand))),
            }
        }))
    }

    /// The verdict on a RUN step whose command is `command`: the text after its flags, with continued lines joined and
    /// nothing expanded.
    pub fn run(&self, command: &str, needs: RunNeeds, now: Timestamp) -> Verdict {
        if needs == RunNeeds::default() {
            return Verdict::Accepted(Vec::new());
        }
        Verdict::combine(self.layers.iter().map(|layer| {
            let found = layer
                .runs
                .iter()
                .find(|rule| matches_text(&rule.at.pattern, command));
            let next = format!(
                "if the step must have it, add to {}:\n{}",
                self.file(layer),
                run_rule(command, needs, now)
            );
            let Some(rule) = found else {
                return Err(Refusal {
                    layer: layer.file.clone(),
                    rule: None,
                    cause: format!("no run rule gives this step {}", listed(&wants(needs))),
                    next,
                });
            };
            let lacking = wants(lacking(needs, &rule.then));
            if !lacking.is_empty() {
                return Err(Refusal {
                    layer: layer.file.clone(),
                    rule: Some(rule.at.clone()),
                    cause: format!(
                        "the first run rule for this step does not give it {}",
                        listed(&lacking)
                    ),
                    next: next.replacen("add to", "change that rule, or add before it to", 1),
                });
            }
            accepted(layer, &rule.at, &rule.then.acceptance, now)
        }))
    }

    /// The verdict on importing a remote build cache of type `kind` (`registry`, `gha`, ...) from `reference`, if it has one.
    pub fn cache(&self, kind: &str, reference: Option<&str>, now: Timestamp) -> Verdict {
        let name = match reference {
            Some(reference) => format!("{kind}:{reference}"),
            None => kind.to_owned(),
        };
        Verdict::combine(self.layers.iter().map(|layer| {
            match layer.caches.iter().find(|rule| rule.glob.matches(&name)) {
                Some(rule) => accepted(layer, &rule.at, &rule.then, now),
                None => Err(Refusal {
                    layer: layer.file.clone(),
                    rule: None,
                    cause: format!(
                        "no cache rule covers `{name}`; what comes from a cache is not verified"
                    ),
                    next: format!(
                        "build without it, or add to {}:\n[[cache]]\nmatch = {}\n{}",
                        self.file(layer),
                        quoted(&name),
                        proposed_acceptance(now)
                    ),
                }),
            }
        }))
    }

    /// The verdict on a local folder that a named context puts in the place of `reference`.
    pub fn local_override(
        &self,
        reference: &ImageReference,
        replaced: Replaced,
        now: Timestamp,
    ) -> Verdict {
        let subject = Subject::image(reference);
        let judged: Vec<_> = self
            .layers
            .iter()
            .filter_map(|layer| match (subject.rule(layer), replaced) {
                (None, Replaced::Source) => None,
                (None, Replaced::Base) => Some(Err(self.no_rule(layer, &subject, now))),
                (Some(rule), _) => Some(match &rule.then {
                    Demand::Accepted(acceptance) => accepted(layer, &rule.at, acceptance, now),
                    Demand::Signed(_) | Demand::Compared(_) | Demand::Keys(_) => Err(Refusal {
                        layer: layer.file.clone(),
                        rule: Some(rule.at.clone()),
                        cause: format!(
                            "a local folder takes the place of {}, which must be signed",
                            subject.pattern()
                        ),
                        next: "build without that named context, or name it by something that no `signed-by` rule covers".to_owned(),
                    }),
                }),
            })
            .collect();
        if judged.is_empty() {
            Verdict::Accepted(Vec::new())
        } else {
            Verdict::combine(judged)
        }
    }

    fn no_rule(&self, layer: &Layer, subject: &Subject, now: Timestamp) -> Refusal {
        let kind = subject.kind();
        let rule = format!(
            "[[{kind}]]\nmatch = {}\naccept = \"digest\"\n{}",
            quoted(subject.pattern()),
            proposed_acceptance(now)
        );
        let signed = match kind {
            "image" => {
                "if its publisher signs with cosign, name the key and use `signed-by`; otherwise, "
            }
            _ => "",
        };
        let next = if self.built_in {
            format!(
                "there is no policy yet. Write verified.toml beside the Dockerfile; {signed}to accept it by digest:\nversion = 1\n\n{rule}"
            )
        } else {
            format!(
                "{signed}to accept it by digest, add to {}:\n{rule}",
                layer.file
            )
        };
        Refusal {
            layer: layer.file.clone(),
            rule: None,
            cause: format!("no {kind} rule covers {}", subject.pattern()),
            next,
        }
    }

    fn file<'l>(&self, layer: &'l Layer) -> &'l str {
        if self.built_in {
            "verified.toml beside the Dockerfile"
        } else {
            &layer.file
        }
    }
}

/// What to do about something that is not signed as it should be.
fn sign_it(subject: &Subject, demand: &SignedBy) -> String {
    let names: Vec<_> = demand
        .keys
        .iter()
        .map(|key| format!("`{}`", key.name))
        .collect();
    let (what, by) = (subject.pattern(), names.join(" or "));
    match demand.at {
        ProofAt::Registry {
            signed: attestation::Signed::Attestations,
            ..
        } => format!(
            "have the attestation manifests of {what} signed with cosign by {by}, or set `signed = \"image\"` in the rule if the image is"
        ),
        ProofAt::Registry { .. } => format!(
            "have {what} signed with cosign by {by}, or use a digest that is; a mirrored image needs `signed-as` in the rule"
        ),
        ProofAt::Beside { .. } => format!(
            "compare the file with the publisher's; if it is right, have it signed by {by}, or correct `signature` in the rule"
        ),
        ProofAt::Repository(Signed::Tag) => {
            format!("name a tag of {what} that is signed by {by}")
        }
        ProofAt::Repository(Signed::Commit) => {
            format!("name a commit of {what} that is signed by {by}")
        }
    }
}

fn accepted(
    layer: &Layer,
    at: &RuleAt,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<Passed, Refusal> {
    let Acceptance { reason, until } = acceptance;
    if expired(acceptance, now) {
        return Err(Refusal {
            layer: layer.file.clone(),
            rule: Some(at.clone()),
            cause: format!("the rule that accepts it ({reason}) expired after {until}"),
            next: format!(
                "review it again, then set a later `until` at {}:{}",
                layer.file, at.line
            ),
        });
    }
    Ok(Passed {
        layer: layer.file.clone(),
        rule: at.clone(),
        by: By::Acceptance {
            reason: reason.clone(),
            until: *until,
        },
    })
}

/// What the step itself compares with a digest that stands in the Dockerfile.
fn compared(
    layer: &Layer,
    at: &RuleAt,
    acceptance: &Acceptance,
    subject: &Subject,
    now: Timestamp,
) -> Result<Passed, Refusal> {
    let Name::Http(_, Body { compared: true, .. }) = &subject.0 else {
        return Err(Refusal {
            layer: layer.file.clone(),
            rule: Some(at.clone()),
            cause: "no RUN step that downloads it compares it with its SHA-256, written in the Dockerfile".to_owned(),
            next: "have the step check it: echo \"DIGEST  FILE\" | sha256sum -c; or accept it by digest".to_owned(),
        });
    };
    accepted(layer, at, acceptance, now)
}

/// What a keyserver gave.
fn keys(
    layer: &Layer,
    at: &RuleAt,
    named: &BTreeSet<String>,
    subject: &Subject,
) -> Result<Passed, Refusal> {
    let found = match &subject.0 {
        Name::Http(_, body) => body.keys.as_slice(),
        _ => &[],
    };
    let others: Vec<&str> = found
        .iter()
        .filter(|print| !named.contains(*print))
        .map(String::as_str)
        .collect();
    let cause = if found.is_empty() {
        "it is not OpenPGP keys and nothing else, given to a RUN step".to_owned()
    } else if others.is_empty() {
        return Ok(Passed {
            layer: layer.file.clone(),
            rule: at.clone(),
            by: By::Keys {
                fingerprints: found.to_vec(),
            },
        });
    } else {
        format!(
            "it has the key {}, which the rule does not name",
            others.join(", ")
        )
    };
    Err(Refusal {
        layer: layer.file.clone(),
        rule: Some(at.clone()),
        cause,
        next: "compare the fingerprint with one that its owner published; add it to the rule only if it is right".to_owned(),
    })
}

/// A rule holds through its last day, in UTC.
fn expired(acceptance: &Acceptance, now: Timestamp) -> bool {
    today(now) > acceptance.until
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn lacking(needs: RunNeeds, grant: &Grant) -> RunNeeds {
    RunNeeds {
        network: needs.network && !grant.network,
        host_network: needs.host_network && !grant.host_network,
        insecure: needs.insecure && !grant.insecure,
        ssh: needs.ssh && !grant.ssh,
        devices: needs.devices && !grant.devices,
    }
}

fn wants(needs: RunNeeds) -> Vec<&'static str> {
    [
        (needs.network && !needs.host_network, "a network"),
        (needs.host_network, "the host's network"),
        (needs.insecure, "insecure security mode"),
        (needs.ssh, "an SSH agent together with a network"),
        (needs.devices, "devices"),
    ]
    .into_iter()
    .filter_map(|(wanted, name)| wanted.then_some(name))
    .collect()
}

fn listed(names: &[&str]) -> String {
    names.join(" and ")
}

fn run_rule(command: &str, needs: RunNeeds, now: Timestamp) -> String {
    let pattern = if command.len() > MAX_COMMAND {
        let head: String = command.chars().take(200).collect();
        quoted(&format!("{head}*"))
    } else {
        quoted(command)
    };
    let mut rule = format!("[[run]]\nmatch = {pattern}\n");
    if needs.host_network {
        rule.push_str("network = \"host\"\n");
    } else if needs.network {
        rule.push_str("network = \"allow\"\n");
    }
    for (wanted, line) in [
        (needs.insecure, "security = \"insecure\"\n"),
        (needs.ssh, "ssh = \"allow\"\n"),
        (needs.devices, "devices = \"allow\"\n"),
    ] {
        if wanted {
            rule.push_str(line);
        }
    }
    rule.push_str(&proposed_acceptance(now));
    rule
}

fn proposed_acceptance(now: Timestamp) -> String {
    let until = today(now).saturating_add(jiff::Span::new().days(PROPOSED_DAYS));
    format!("reason = \"say why\"\nuntil = {until}\n")
}

/// `text` as a TOML string, in which stars stand for themselves only by chance: patterns have no escape.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
