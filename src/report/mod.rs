//! What was found, and where: the same findings for the terminal, for machines and for the
//! error of a build. One file per output format.

use std::ops::Range;

use crate::shell::redacted;

mod codes;
pub mod explain;
pub mod github;
pub mod json;
pub mod list;
pub mod sarif;
pub mod served;
pub mod statement;
pub mod steps;
pub mod text;

pub use codes::{ALL, Level};

/// Where in the user's own file something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// First line, 1-based.
    pub first_line: u32,
    /// Last line, 1-based and included.
    pub last_line: u32,
    /// The bytes meant, if narrower than the lines.
    pub span: Option<(usize, usize)>,
}

impl Place {
    /// Whole lines, 1-based, both included.
    #[must_use]
    pub fn lines(first_line: u32, last_line: u32) -> Self {
        Self {
            first_line,
            last_line,
            span: None,
        }
    }

    /// The same lines, narrowed to `span`.
    #[must_use]
    pub fn with_span(mut self, span: Range<usize>) -> Self {
        self.span = Some((span.start, span.end));
        self
    }
}

/// What kind of thing is wrong. Names and codes are stable: machines read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The Dockerfile cannot be read.
    Dockerfile,
    /// A policy, lock or evidence file cannot be read.
    Configuration,
    /// No digest is known for a fetch.
    Unpinned,
    /// The policy does not allow a fetch, or its proof does not hold.
    Unverified,
    /// The digest written in the Dockerfile is not the one in the lock, or the like.
    Conflict,
    /// A RUN step asks for network, privilege or an SSH agent that no rule allows.
    Run,
    /// A named context stands in for something that the policy guards.
    Context,
    /// The build imports cache that no rule allows.
    Cache,
    /// Something that cannot be pinned, whatever the policy.
    Unpinnable,
    /// The audit of the LLB found something that was not verified.
    Escaped,
    /// Something that this version does not know, and so does not let through.
    Unsupported,
    /// A RUN step downloads, and has no network in the build.
    Download,
    /// Nobody can tell whether a RUN step downloads.
    Unclear,
    /// A RUN step does not check TLS certificates.
    Tls,
    /// A RUN step does not check signatures of packages.
    Unsigned,
    /// A RUN step runs what it downloads, unchecked.
    RunsDownload,
    /// A secret stands in a RUN step.
    Secret,
    /// A RUN step checks a download by MD5 or SHA-1 alone.
    WeakHash,
    /// A RUN step downloads without TLS, and nothing else checks it.
    Plain,
}

/// One thing to object to, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The file that it is about, as the user names it.
    pub file: String,
    /// Where in that file; `None` for the file as a whole or for an option of the build.
    pub place: Option<Place>,
    /// What is meant: the fetch, the step or the option, as written.
    pub subject: String,
    /// Why it is refused, in one sentence.
    pub cause: String,
    /// What the user can do; may hold several lines.
    pub next: String,
}

impl Finding {
    /// The same without the secrets that its texts quote: passwords and tokens in URLs.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        let clean = |text: String| redacted(&text).0;
        Self {
            subject: clean(self.subject),
            cause: clean(self.cause),
            next: clean(self.next),
            ..self
        }
    }

    /// One line: `file:line: subject: cause`.
    #[must_use]
    pub fn headline(&self) -> String {
        let place = match &self.place {
            Some(place) => format!("{}:{}", self.file, place.first_line),
            None => self.file.clone(),
        };
        if self.subject.is_empty() {
            format!("{place}: {}", self.cause)
        } else {
            format!("{place}: {}: {}", self.subject, self.cause)
        }
    }
}

/// How many findings a build error lists.
const MAX_LISTED: usize = 50;

/// The message of a build error: the findings with cause and next step, the first fifty if there are more. An error
/// passes through several processes with limits of their own.
#[must_use]
pub fn build_message(findings: &[Finding]) -> String {
    let mut out = match findings {
        [one] => one.headline(),
        many => format!("{} things cannot be verified", many.len()),
    };
    if findings.len() > 1 {
        for finding in findings.iter().take(MAX_LISTED) {
            out.push_str("\n- ");
            out.push_str(&finding.headline());
            push_next(&mut out, &finding.next);
        }
        if let Some(more) = findings
            .len()
            .checked_sub(MAX_LISTED)
            .filter(|more| *more > 0)
        {
            out.push_str(&format!("\n- and {more} more"));
        }
    } else if let Some(one) = findings.first() {
        push_next(&mut out, &one.next);
    }
    out
}

fn push_next(out: &mut String, next: &str) {
    for (index, line) in next.lines().enumerate() {
        out.push_str(if index == 0 {
            "\n  next: "
        } else {
            "\n        "
        });
        out.push_str(line);
    }
}
