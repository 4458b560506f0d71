//! Sources: is it one of the verified ones, fixed by its digest, and does no attribute change what is fetched?
//!
//! Schemes and attributes are those of `source/types` and `solver/pb/attr.go`; how the daemon reads
//! them is in `source/{containerimage,http,git,local}`. It ignores attributes it does not know, so that a newer
//! daemon may know one that this list does not: each attribute is either listed here with its meaning, or refused.

use crate::{
    digest::Digest,
    llb::{
        audit::{
            EscapeKind, Expected, HttpPin, ImagePin, OciPin, SeenSource, SourceKind,
            graph::{At, Refusals, show},
        },
        ops::SourceOp,
    },
};

mod git;

const VERIFY: &str = "verify it and add it to the lock, or remove it from the Dockerfile";

/// What the audit has to say of one source.
struct Judge<'a> {
    source: &'a SourceOp,
    expected: &'a Expected,
    out: &'a mut Refusals,
}

pub(super) fn platform_specific(identifier: &str) -> bool {
    identifier.starts_with("docker-image://") || identifier.starts_with("oci-layout://")
}

/// A source that was expected as the very operation it is.
pub(super) fn own(at: At<'_>, source: &SourceOp) -> SeenSource {
    SeenSource {
        op: at.id.clone(),
        kind: SourceKind::Own,
        identifier: source.identifier.clone(),
        pin: None,
        submodules: false,
        lines: at.lines.to_vec(),
    }
}

/// What is fetched, unless there is no way to say; refusals go to `out`.
pub(super) fn judge(
    at: At<'_>,
    source: &SourceOp,
    expected: &Expected,
    out: &mut Refusals,
) -> Option<SeenSource> {
    let mut judge = Judge {
        source,
        expected,
        out,
    };
    let Some((scheme, rest)) = source.identifier.split_once("://") else {
        judge.refuse(EscapeKind::Identifier, "is no URL");
        return None;
    };
    let (kind, pin, submodules) = match scheme {
        "docker-image" => (SourceKind::Image, judge.image(rest), false),
        "http" | "https" => (SourceKind::Http, judge.http(), false),
        "git" => {
            let (pin, submodules) = judge.git(rest);
            (SourceKind::Git, pin, submodules)
        }
        "local" => {
            judge.local(rest);
            (SourceKind::Local, None, false)
        }
        "oci-layout" => (SourceKind::OciLayout, judge.oci_layout(rest), false),
        _ => {
            judge.refuse(EscapeKind::Scheme, "has a scheme that is not known");
            return None;
        }
    };
    let remote = match kind {
        SourceKind::Git => source.attrs.get("git.fullurl"),
        _ => None,
    };
    let identifier = remote.unwrap_or(&source.identifier).clone();
    Some(SeenSource {
        op: at.id.clone(),
        kind,
        identifier,
        pin,
        submodules,
        lines: at.lines.to_vec(),
    })
}

impl Judge<'_> {
    fn refuse(&mut self, kind: EscapeKind, what: &str) {
        self.out.add(
            kind,
            format!("{} {what}", show(&self.source.identifier)),
            VERIFY,
        );
    }

    fn attribute(&mut self, key: &str, value: &str, why: &str) {
        self.out.foreign(
            EscapeKind::Attribute,
            format!(
                "{} has attribute {} with value {}: {why}",
                show(&self.source.identifier),
                show(key),
                show(value)
            ),
        );
    }

    /// Refuses every attribute for which `known` does not say that it is fine.
    ///
    /// `known` answers `None` for an attribute it does not know, else whether the value is fine.
    fn attributes(&mut self, known: impl Fn(&str, &str) -> Option<bool>) {
        let source = self.source;
        for (key, value) in &source.attrs {
            match known(key, value) {
                Some(true) => {}
                Some(false) => self.attribute(key, value, "not what was expected"),
                None => self.attribute(key, value, "not an attribute that may be set"),
            }
        }
    }

    /// `docker-image://REPOSITORY[:TAG]@DIGEST`. The digest decides; the tag is only shown.
    fn image(&mut self, rest: &str) -> Option<String> {
        let (repository, digest) = self.reference(rest)?;
        let text = digest.to_string();
        self.attributes(|key, value| match key {
            // With a digest, where it is taken from does not change what it is.
            "image.resolvemode" => Some(matches!(value, "default" | "pull" | "local")),
            // For the daemon's garbage collection.
            "image.recordtype" => Some(matches!(value, "" | "regular" | "internal" | "frontend")),
            "image.checksum" => Some(value == text),
            // image.layerlimit takes only some of the layers.
            _ => None,
        });
        let images = &self.expected.images;
        let pin = ImagePin { repository, digest };
        if !images.contains(&pin) {
            let verified = images
                .iter()
                .find(|image| image.repository == pin.repository);
            match verified {
                Some(image) => self.refuse(
                    EscapeKind::Digest,
                    &format!("has another digest than the verified {}", image.digest),
                ),
                None => self.refuse(EscapeKind::Source, "is an image that was not verified"),
            }
        }
        Some(text)
    }

    /// `oci-layout://NAME@DIGEST`. The name is made up; store and session say where the content is.
    fn oci_layout(&mut self, rest: &str) -> Option<String> {
        let (_, digest) = self.reference(rest)?;
        let attr = |name: &str| self.source.attrs.get(name).cloned().unwrap_or_default();
        let pin = OciPin {
            store: attr("oci.store"),
            session: attr("oci.session"),
            digest,
        };
        // oci.layerlimit takes only some of the layers.
        self.attributes(|key, _| matches!(key, "oci.store" | "oci.session").then_some(true));
        if !self.expected.oci_layouts.contains(&pin) {
            let place = |other: &&OciPin| other.store == pin.store && other.session == pin.session;
            match self.expected.oci_layouts.iter().find(place) {
                Some(other) => self.refuse(
                    EscapeKind::Digest,
                    &format!("has another digest than the verified {}", other.digest),
                ),
                None => self.refuse(
                    EscapeKind::Source,
                    &format!(
                        "is in the OCI layout {}, which was not verified",
                        show(&pin.store)
                    ),
                ),
            }
        }
        Some(pin.digest.to_string())
    }

    /// Repository and digest of a canonical reference, the tag left out.
    fn reference(&mut self, rest: &str) -> Option<(String, Digest)> {
        let Some((name, digest)) = rest.split_once('@') else {
            self.refuse(EscapeKind::Digest, "has no digest");
            return None;
        };
        let Ok(digest) = digest.parse::<Digest>() else {
            self.refuse(EscapeKind::Digest, "has an invalid digest");
            return None;
        };
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        if !canonical_repository(repository) || !tag.is_none_or(valid_tag) {
            self.refuse(
                EscapeKind::Identifier,
                "is no canonical reference (domain/path:tag@digest)",
            );
            return None;
        }
        Some((repository.to_owned(), digest))
    }

    /// `http://…` and `https://…`: the URL as it is, the checksum in an attribute.
    fn http(&mut self) -> Option<String> {
        let source = self.source;
        let pins: &[HttpPin] = self
            .expected
            .http
            .get(&source.identifier)
            .map_or(&[], Vec::as_slice);
        let checksum = source.attrs.get("http.checksum");
        let matching: Vec<&HttpPin> = pins
            .iter()
            .filter(|pin| Some(&pin.digest.to_string()) == checksum)
            .collect();
        // Without a checksum only, so that a pin of the same URL still holds.
        let upload = checksum.is_none() && self.expected.uploads.contains(&source.identifier);
        match (pins.first(), checksum) {
            _ if upload => {}
            (None, _) => self.refuse(EscapeKind::Source, "was not verified"),
            (Some(_), None) => self.refuse(EscapeKind::Digest, "has no checksum"),
            (Some(pin), Some(other)) if matching.is_empty() => {
                self.refuse(
                    EscapeKind::Digest,
                    &format!(
                        "has checksum {} instead of the verified {}",
                        show(other),
                        pin.digest
                    ),
                );
            }
            _ => {}
        }
        self.attributes(|key, value| match key {
            // Judged above, with its own reason.
            "http.checksum" => Some(true),
            // Name, permissions and owner of the file, not its content.
            "http.filename" => Some(safe_filename(value)),
            "http.perm" | "http.uid" | "http.gid" => Some(
                !value.is_empty()
                    && value.len() <= 10
                    && value.bytes().all(|byte| byte.is_ascii_digit()),
            ),
            // A secret of the client, sent to that host.
            "http.authheadersecret" => Some(
                matching
                    .iter()
                    .any(|pin| pin.auth_header_secret.as_deref() == Some(value)),
            ),
            // http.sig.* would make the daemon check a signature, by a key nobody chose here.
            _ => {
                let header = key.strip_prefix("http.header.")?;
                Some(
                    matching
                        .iter()
                        .any(|pin| pin.headers.get(header).map(String::as_str) == Some(value)),
                )
            }
        });
        checksum.cloned()
    }

    /// `local://NAME`: a directory of the client.
    fn local(&mut self, name: &str) {
        let sessions = self.expected.locals.get(name);
        if sessions.is_none() {
            self.refuse(
                EscapeKind::Source,
                "is a directory of the client that this build does not use",
            );
        }
        if !self.source.attrs.contains_key("local.session") {
            self.refuse(EscapeKind::Source, "may come from any client");
        }
        self.attributes(|key, value| match key {
            // A colon would make the daemon read another name.
            "local.session" => Some(
                !value.contains(':') && sessions.is_none_or(|sessions| sessions.contains(value)),
            ),
            // Which files of the directory.
            "local.includepattern" | "local.excludepatterns" | "local.followpaths" => {
                Some(serde_json::from_str::<Vec<String>>(value).is_ok())
            }
            // What the daemon compares an upload with.
            "local.sharedkeyhint" => Some(true),
            "local.differ" => Some(matches!(value, "" | "none" | "metadata")),
            // local.unique is for sources without session; local.metadatatransfer* leaves out content.
            _ => None,
        });
    }
}

/// A name that stays in the directory it is put into.
fn safe_filename(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
}

/// A tag as distribution/reference has it: `[\w][\w.-]{0,127}`.
fn valid_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// `domain/path` as distribution/reference writes it in full: the domain is there and can be told from a path, and
/// Docker Hub is `docker.io` with `library/` for single names. Nothing else that the daemon could read differently.
fn canonical_repository(repository: &str) -> bool {
    let Some((domain, path)) = repository.split_once('/') else {
        return false;
    };
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let component = |component: &str| {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        component.bytes().next().is_some_and(alphanumeric)
            && component.bytes().last().is_some_and(alphanumeric)
            && component
                .bytes()
                .all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
    };
    repository.len() <= 255
        && (host == "localhost" || host.contains('.') || port.is_some())
        && host.split('.').all(label)
        && port
            .is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        && path.split('/').all(component)
        && domain != "index.docker.io"
        && (domain != "docker.io" || path.contains('/'))
}
