//! The kinds of findings: name, code, level, and the page that explains each.

use serde::Serialize;

use super::Kind;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The build stops.
    Error,
    /// The build goes on; what it does is weaker than it looks.
    Warning,
    /// Nobody can tell; it is no reason to fail.
    Note,
}

impl Level {
    /// The name in every format: `error`, `warning`, `note`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// All there is to say about a kind.
struct About {
    kind: Kind,
    /// The stable name.
    name: &'static str,
    /// The stable code.
    code: &'static str,
    level: Level,
    /// The page of docs/findings.
    page: &'static str,
}

macro_rules! about {
    ($($kind:ident $name:literal $code:literal $level:ident,)*) => {
        const ABOUT: &[About] = &[$(About {
            kind: Kind::$kind,
            name: $name,
            code: $code,
            level: Level::$level,
            page: include_str!(concat!("../../docs/findings/", $code, ".md")),
        },)*];

        /// Every kind.
        pub const ALL: &[Kind] = &[$(Kind::$kind,)*];
    };
}

// A code is never used again for something else.
about! {
    Dockerfile "dockerfile" "VD001" Error,
    Configuration "configuration" "VD002" Error,
    Unpinned "unpinned" "VD003" Error,
    Unverified "unverified" "VD004" Error,
    Conflict "conflict" "VD005" Error,
    Run "run" "VD006" Error,
    Context "context" "VD007" Error,
    Cache "cache" "VD008" Error,
    Unpinnable "unpinnable" "VD009" Error,
    Escaped "escaped" "VD010" Error,
    Unsupported "unsupported" "VD011" Error,
    Download "download" "VD012" Error,
    Unclear "unclear" "VD013" Note,
    Tls "tls" "VD014" Warning,
    Unsigned "unsigned" "VD015" Warning,
    RunsDownload "runs-download" "VD016" Warning,
    Secret "secret" "VD017" Warning,
    WeakHash "weak-hash" "VD018" Warning,
    Plain "plain" "VD019" Warning,
}

impl Kind {
    fn about(self) -> Option<&'static About> {
        ABOUT.iter().find(|about| about.kind == self)
    }

    /// The stable name, as in the JSON output.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.about().map_or("", |about| about.name)
    }

    /// The stable code: `VD` and three digits.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.about().map_or("", |about| about.code)
    }

    /// How much it matters.
    #[must_use]
    pub fn level(self) -> Level {
        self.about().map_or(Level::Error, |about| about.level)
    }

    /// The page that explains it, in Markdown. Its first line is the title.
    #[must_use]
    pub fn page(self) -> &'static str {
        self.about().map_or("", |about| about.page)
    }

    /// What it is, in one line: the title of its page without the code.
    #[must_use]
    pub fn title(self) -> &'static str {
        let line = self.page().lines().next().unwrap_or_default();
        line.split_once(": ").map_or(line, |(_, title)| title)
    }

    /// The kind with that code or name, in any case.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        ABOUT
            .iter()
            .find(|about| {
                about.code.eq_ignore_ascii_case(text) || about.name.eq_ignore_ascii_case(text)
            })
            .map(|about| about.kind)
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_a_code_and_a_page_of_its_own() {
        let mut seen = BTreeSet::new();
        for (number, kind) in ALL.iter().enumerate() {
            assert_eq!(kind.code(), format!("VD{:03}", number + 1));
            assert!(seen.insert(kind.name()), "{}", kind.name());
            let page = kind.page();
            assert!(
                page.starts_with(&format!("# {} (`{}`): ", kind.code(), kind.name())),
                "{page}"
            );
            assert!(!kind.title().is_empty() && kind.title().len() < 80);
            for part in ["\n## Why", "\n## What to do"] {
                assert!(page.contains(part), "{}: {part}", kind.code());
            }
            assert_eq!(Kind::find(kind.code()), Some(*kind));
            assert_eq!(Kind::find(&kind.name().to_uppercase()), Some(*kind));
            // serde writes the name.
            assert_eq!(
                serde_json::to_value(kind).unwrap(),
                serde_json::Value::from(kind.name())
            );
        }
        assert_eq!(Kind::find("VD000"), None);
    }
}
