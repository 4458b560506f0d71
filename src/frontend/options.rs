//! The options of a build, as BuildKit hands them to a frontend.
//!
//! Source: BuildKit `frontend/dockerui/config.go` and `context.go` (v0.32); the names are the
//! protocol's. What is not read here goes to the nested frontend as it came.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::reference::ImageReference;

/// The generator that BuildKit takes when `attest:sbom` names none.
///
/// Source: BuildKit `frontend/attestations/parse.go`, `defaultSBOMGenerator`.
const DEFAULT_SBOM_GENERATOR: &str = "docker/buildkit-syft-scanner:stable-1";

/// Kinds of attestations.
const SBOM: &str = "sbom";
const PROVENANCE: &str = "provenance";

/// A cache import that the client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheImport {
    /// `registry`, `gha`, `s3`, `local`, ...
    pub kind: String,
    /// `ref`, `src`, `url`, ...
    pub attrs: BTreeMap<String, String>,
}

impl CacheImport {
    /// What policy rules are matched against: `kind`, or `kind:ref` where it has a `ref`.
    #[must_use]
    pub fn subject(&self) -> String {
        match self.attrs.get("ref") {
            Some(reference) => format!("{}:{reference}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// Which steps are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Those that the lock has no recording of.
    Missing,
    /// All.
    All,
}

/// What a build is to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The image.
    Image,
    /// What steps are given while they run with the network.
    Recordings(Record),
    /// An image with all that steps are served from.
    Store,
    /// The Dockerfile that stock BuildKit builds with this store image.
    Text(ImageReference),
}

/// An option that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the build option {name} cannot be read: {cause}")]
pub struct OptionError {
    /// The name of the option in the protocol.
    pub name: String,
    /// What is wrong with it.
    pub cause: String,
}

/// The options, with the meaning that the stock frontend gives them.
#[derive(Clone, Debug, Default)]
pub struct Options {
    raw: BTreeMap<String, String>,
}

impl Options {
    /// Takes the options as they came.
    #[must_use]
    pub fn new(raw: BTreeMap<String, String>) -> Self {
        Self { raw }
    }

    /// The value of option `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw.get(name).map(String::as_str)
    }

    /// All options as they came.
    #[must_use]
    pub fn raw(&self) -> &BTreeMap<String, String> {
        &self.raw
    }

    /// The path of the Dockerfile in the source that holds it.
    #[must_use]
    pub fn filename(&self) -> &str {
        self.get("filename").unwrap_or("Dockerfile")
    }

    /// The name of the local source with the Dockerfile.
    #[must_use]
    pub fn dockerfile_local(&self) -> &str {
        self.get("dockerfilekey").unwrap_or("dockerfile")
    }

    /// Whether the Dockerfile is in a local source, whatever the context is.
    #[must_use]
    pub fn forces_local_dockerfile(&self) -> bool {
        self.raw.contains_key("dockerfilekey")
    }

    /// The name of the option that holds the URL of a remote context.
    #[must_use]
    pub fn context_option(&self) -> &str {
        self.get("contextkey").unwrap_or("context")
    }

    /// The URL of a remote context.
    #[must_use]
    pub fn remote_context(&self) -> Option<&str> {
        self.get(self.context_option())
            .filter(|url| !url.is_empty())
    }

    /// The stage to build.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.get("target").filter(|target| !target.is_empty())
    }

    /// Which session a local source comes from, where it is not the build's own.
    #[must_use]
    pub fn local_session(&self, local: &str) -> Option<&str> {
        self.get(&format!("local-sessionid:{local}"))
            .filter(|id| !id.is_empty())
    }

    /// The build arguments.
    #[must_use]
    pub fn build_args(&self) -> BTreeMap<String, String> {
        self.with_prefix("build-arg:")
    }

    /// The named contexts: key as it came (`name` or `name::platform`) to value.
    #[must_use]
    pub fn named_contexts(&self) -> BTreeMap<String, String> {
        self.with_prefix("context:")
    }

    fn with_prefix(&self, prefix: &str) -> BTreeMap<String, String> {
        self.raw
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
            .collect()
    }

    /// The platforms to build for, as they were written; empty for the default one.
    #[must_use]
    pub fn platforms(&self) -> Vec<&str> {
        match self.get("platform") {
            Some(list) if !list.is_empty() => list.split(',').collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the build may use only what is in the lock, by `--build-arg VERIFIED_LOCKED=1`.
    ///
    /// # Errors
    /// A value that is no boolean: guessing would be unsafe.
    pub fn locked(&self) -> Result<bool, OptionError> {
        match self.get("build-arg:VERIFIED_LOCKED") {
            None | Some("" | "0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(OptionError {
                name: "build-arg:VERIFIED_LOCKED".into(),
                cause: format!("{other:?} is neither 1, true, 0 nor false"),
            }),
        }
    }

    /// What is wanted instead of the image, by `--build-arg`: `VERIFIED_RECORD=missing` (or `all`), `VERIFIED_STORE=image`, or
    /// `VERIFIED_REWRITE=REFERENCE@DIGEST`.
    ///
    /// # Errors
    /// Another value, or two of them.
    pub fn wanted(&self) -> Result<Wanted, OptionError> {
        let error = |name: &str, cause: String| OptionError {
            name: format!("build-arg:{name}"),
            cause,
        };
        let mut wanted = Wanted::Image;
        for name in ["VERIFIED_RECORD", "VERIFIED_STORE", "VERIFIED_REWRITE"] {
            let value = match self.get(&format!("build-arg:{name}")) {
                None | Some("") => continue,
                Some(value) => value,
            };
            if wanted != Wanted::Image {
                return Err(error(
                    name,
                    "two results are wanted of one build".to_owned(),
                ));
            }
            wanted = match (name, value) {
                ("VERIFIED_RECORD", "missing") => Wanted::Recordings(Record::Missing),
                ("VERIFIED_RECORD", "all") => Wanted::Recordings(Record::All),
                ("VERIFIED_RECORD", other) => {
                    let cause = format!("{other:?} is neither `missing` nor `all`");
                    return Err(error(name, cause));
                }
                ("VERIFIED_STORE", "image") => Wanted::Store,
                ("VERIFIED_STORE", other) => {
                    return Err(error(name, format!("{other:?} is not `image`")));
                }
                (_, reference) => match ImageReference::parse(reference) {
                    Ok(store) if store.digest().is_some() => Wanted::Text(store),
                    Ok(_) => {
                        let cause =
                            format!("{reference} has no digest; name it as IMAGE@sha256:...");
                        return Err(error(name, cause));
                    }
                    Err(cause) => return Err(error(name, cause.to_string())),
                },
            };
        }
        Ok(wanted)
    }

    /// The subrequest, for example `frontend.lint`.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        self.get("requestid")
    }

    /// The cache imports, of the new option and of the old one.
    ///
    /// # Errors
    /// JSON that is not a list of entries.
    pub fn cache_imports(&self) -> Result<Vec<CacheImport>, OptionError> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(rename = "Type", alias = "type", default)]
            kind: String,
            #[serde(rename = "Attrs", alias = "attrs", default)]
            attrs: Option<BTreeMap<String, String>>,
        }
        let mut imports = Vec::new();
        if let Some(json) = self.get("cache-imports").filter(|json| !json.is_empty()) {
            let entries: Option<Vec<Option<Entry>>> =
                serde_json::from_str(json).map_err(|error| OptionError {
                    name: "cache-imports".into(),
                    cause: error.to_string(),
                })?;
            imports.extend(
                entries
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| CacheImport {
                        kind: entry.kind,
                        attrs: entry.attrs.unwrap_or_default(),
                    }),
            );
        }
        if let Some(list) = self.get("cache-from").filter(|list| !list.is_empty()) {
            imports.extend(list.split(',').map(|reference| CacheImport {
                kind: "registry".into(),
                attrs: BTreeMap::from([("ref".into(), reference.to_owned())]),
            }));
        }
        Ok(imports)
    }

    /// The SBOM scanner that the build would run, as written; `None` if no SBOM is asked for.
    ///
    /// # Errors
    /// Attributes that cannot be split, or two options that ask for an SBOM.
    pub fn sbom_scanner(&self) -> Result<Option<String>, OptionError> {
        let Some(attrs) = self.attributes(SBOM)? else {
            return Ok(None);
        };
        let named = attrs
            .into_iter()
            .rev()
            .find(|(key, _)| key == "generator")
            .map(|(_, value)| value);
        Ok(Some(
            named.unwrap_or_else(|| DEFAULT_SBOM_GENERATOR.to_owned()),
        ))
    }

    /// The options without those that ask for an SBOM, and the same demand with `scanner` instead,
    /// as a value for `attest:sbom`.
    ///
    /// # Errors
    /// As [`Self::sbom_scanner`].
    pub fn sbom_with_scanner(&self, scanner: &str) -> Result<String, OptionError> {
        let mut fields = vec![csv_field(&format!("generator={scanner}"))];
        for (key, value) in self.attributes(SBOM)?.unwrap_or_default() {
            if key != "generator" {
                fields.push(csv_field(&format!("{key}={value}")));
            }
        }
        Ok(fields.join(","))
    }

    /// Whether the client asks for provenance; if so, whether only where attestations cost nothing (`inline-only`, as buildx
    /// does by default): not in folders and archives, and not where an image would become an index by it.
    ///
    /// Source: BuildKit `solver/llbsolver/proc/provenance.go`, `ProvenanceProcessor`.
    ///
    /// # Errors
    /// As [`Self::sbom_scanner`].
    pub fn provenance(&self) -> Result<Option<bool>, OptionError> {
        let Some(attrs) = self.attributes(PROVENANCE)? else {
            return Ok(None);
        };
        let last = attrs.iter().rev().find(|(key, _)| key == "inline-only");
        Ok(Some(last.is_some_and(|(_, value)| is_true(value))))
    }

    /// Whether an option of this name asks for an SBOM.
    #[must_use]
    pub fn asks_for_sbom(name: &str) -> bool {
        asks_for(name, SBOM)
    }

    /// The attributes of the demand for the attestation `kind`, in order; the last of a name counts.
    fn attributes(&self, kind: &str) -> Result<Option<Vec<(String, String)>>, OptionError> {
        let mut asking = self.raw.iter().filter(|(name, _)| asks_for(name, kind));
        let Some((name, value)) = asking.next() else {
            return Ok(None);
        };
        let error = |cause: &str| OptionError {
            name: name.clone(),
            cause: cause.into(),
        };
        // The stock frontend takes one of them, and not always the same one.
        if asking.any(|(_, other)| other != value) {
            return Err(error(
                "another option asks for the same attestation in another way",
            ));
        }
        let fields = csv_fields(value).ok_or_else(|| error("unbalanced quotes"))?;
        Ok(Some(
            fields
                .iter()
                .map(|field| field.split_once('=').unwrap_or((field, "")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        ))
    }
}

/// Whether an option of this name asks for the attestation `kind`. BuildKit takes several spellings.
///
/// Source: BuildKit `frontend/attestations/parse.go`, `Parse`.
fn asks_for(name: &str, kind: &str) -> bool {
    ["attest:", "build-arg:BUILDKIT_ATTEST_"]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|asked| asked.eq_ignore_ascii_case(kind))
}

/// Whether Go's `strconv.ParseBool` reads `value` as true.
pub(super) fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// Splits one record of RFC 4180; `None` if a quote is not closed. Empty text has no fields.
fn csv_fields(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut fields = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    other => field.push(other),
                }
            }
        } else {
            while let Some(other) = chars.next_if(|c| *c != ',') {
                if other == '"' {
                    return None;
                }
                field.push(other);
            }
        }
        fields.push(field);
        match chars.next() {
            None => return Some(fields),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

fn csv_field(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options::new(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn defaults_are_those_of_buildkit() {
        let none = options(&[]);
        assert_eq!(none.filename(), "Dockerfile");
        assert_eq!(none.dockerfile_local(), "dockerfile");
        assert!(!none.forces_local_dockerfile());
        assert!(none.platforms().is_empty());
        assert_eq!(none.sbom_scanner().unwrap(), None);
        assert_eq!(none.cache_imports().unwrap(), []);
        assert!(!none.locked().unwrap());
    }

    #[test]
    fn the_remote_context_is_where_contextkey_says() {
        let plain = options(&[("context", "https://example.com/a.git")]);
        assert_eq!(plain.remote_context(), Some("https://example.com/a.git"));
        let keyed = options(&[("contextkey", "other"), ("other", "x"), ("context", "y")]);
        assert_eq!(keyed.remote_context(), Some("x"));
    }

    #[test]
    fn cache_imports_of_both_spellings_are_seen() {
        let both = options(&[
            (
                "cache-imports",
                r#"[{"Type":"gha"},{"Type":"registry","Attrs":{"ref":"r.test/c"}}]"#,
            ),
            ("cache-from", "r.test/a,r.test/b"),
        ]);
        let subjects: Vec<String> = both
            .cache_imports()
            .unwrap()
            .iter()
            .map(CacheImport::subject)
            .collect();
        assert_eq!(
            subjects,
            [
                "gha",
                "registry:r.test/c",
                "registry:r.test/a",
                "registry:r.test/b"
            ]
        );
        assert!(options(&[("cache-imports", "{")]).cache_imports().is_err());
    }

    #[test]
    fn the_scanner_is_the_default_one_or_the_one_named() {
        assert_eq!(
            options(&[("attest:sbom", "")])
                .sbom_scanner()
                .unwrap()
                .unwrap(),
            DEFAULT_SBOM_GENERATOR
        );
        let named = options(&[("attest:sbom", "\"x=a,b\",generator=r.test/s:1")]);
        assert_eq!(named.sbom_scanner().unwrap().unwrap(), "r.test/s:1");
        assert_eq!(
            named.sbom_with_scanner("r.test/s@sha256:0").unwrap(),
            "generator=r.test/s@sha256:0,\"x=a,b\""
        );
        assert!(options(&[("attest:sbom", "\"x")]).sbom_scanner().is_err());
        let spelled = options(&[("build-arg:BUILDKIT_ATTEST_SBOM", "generator=r.test/s")]);
        assert_eq!(spelled.sbom_scanner().unwrap().unwrap(), "r.test/s");
        let two = options(&[("attest:sbom", ""), ("attest:SBOM", "generator=r.test/s")]);
        assert!(two.sbom_scanner().is_err());
    }

    #[test]
    fn provenance_is_asked_for_as_the_daemon_reads_it() {
        let asked = |value: &str| options(&[("attest:provenance", value)]).provenance();
        assert_eq!(options(&[("attest:sbom", "")]).provenance().unwrap(), None);
        assert_eq!(asked("").unwrap(), Some(false));
        assert_eq!(asked("mode=min,inline-only=true").unwrap(), Some(true));
        assert_eq!(
            asked("inline-only=true,inline-only=no").unwrap(),
            Some(false)
        );
        assert!(asked("\"mode").is_err());
        let spelled = options(&[("build-arg:BUILDKIT_ATTEST_PROVENANCE", "mode=max")]);
        assert_eq!(spelled.provenance().unwrap(), Some(false));
    }

    #[test]
    fn locked_is_never_guessed() {
        assert!(
            options(&[("build-arg:VERIFIED_LOCKED", "1")])
                .locked()
                .unwrap()
        );
        assert!(
            options(&[("build-arg:VERIFIED_LOCKED", "yes")])
                .locked()
                .is_err()
        );
    }
}
