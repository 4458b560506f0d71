//! An error as it travels between BuildKit, frontends and clients: a code, a message, and details.

use std::fmt;

use prost::Message;

use super::{
    detail::{LARGE, Source, Typed},
    proto::{Detail, Status},
};

/// gRPC's code UNKNOWN. Clients put every other code's name in front of the message.
const UNKNOWN: i32 = 2;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Status {
    /// An error that is shown as `message`, and nothing else.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: UNKNOWN,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// An error that is shown with an excerpt of each source, first to last, and then `message`.
    ///
    /// Every error of a frontend should have at least one: without, BuildKit shows the `# syntax=` line instead.
    #[must_use]
    pub fn with_sources(message: impl Into<String>, sources: &[Source]) -> Self {
        Self {
            details: sources.iter().map(Source::to_detail).collect(),
            ..Self::new(message)
        }
    }

    /// The sources that this error is about, in the order in which clients show them.
    /// Those that cannot be read are left out; [`Status::replace_sources`] removes them, too.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        self.details
            .iter()
            .filter_map(|detail| match detail.typed() {
                Typed::Source(source) => Some(source),
                _ => None,
            })
            .collect()
    }

    /// Puts `sources` in the place of all sources that this error has, and leaves everything else as it is: code,
    /// message, and the other details byte for byte, those of unknown types included.
    #[must_use]
    pub fn replace_sources(mut self, sources: &[Source]) -> Self {
        let is_source = |detail: &Detail| detail.type_url == Source::TYPE_URL;
        let at = self
            .details
            .iter()
            .position(is_source)
            .unwrap_or(self.details.len());
        self.details.retain(|detail| !is_source(detail));
        self.details
            .splice(at..at, sources.iter().map(Source::to_detail));
        self
    }

    /// The name of the subrequest, if this says that one is unknown.
    #[must_use]
    pub fn unsupported_subrequest(&self) -> Option<String> {
        self.details.iter().find_map(|detail| match detail.typed() {
            Typed::Subrequest(name) => Some(name.name),
            _ => None,
        })
    }

    /// With another code if this one says that all is well: the daemon would take it for neither result nor error.
    #[must_use]
    pub(super) fn into_failure(mut self) -> Self {
        if self.code == 0 {
            self.code = UNKNOWN;
        }
        self
    }

    /// Makes the encoded status fit into `limit` bytes: drops the largest details, and cuts the message where even
    /// that alone is too long. An error without its excerpt is better than none.
    #[must_use]
    pub(super) fn bounded(mut self, limit: usize) -> Self {
        // Around each field are its tag and length; the code is as much again.
        const AROUND: usize = 16;
        let mut end = self.message.len().min(limit.saturating_sub(2 * AROUND));
        while !self.message.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        self.message.truncate(end);
        // The stock frontend sends whole files, be a line as long as it may.
        for detail in self
            .details
            .iter_mut()
            .filter(|detail| detail.value.len() > LARGE)
        {
            if let Typed::Source(source) = detail.typed() {
                *detail = source.to_detail();
            }
        }
        let mut left = limit.saturating_sub(end.saturating_add(2 * AROUND));
        let mut by_size: Vec<_> = self
            .details
            .iter()
            .map(|detail| detail.encoded_len().saturating_add(AROUND))
            .enumerate()
            .map(|(index, size)| (size, index))
            .collect();
        by_size.sort_unstable();
        let mut kept = std::collections::BTreeSet::new();
        for (size, index) in by_size {
            let Some(rest) = left.checked_sub(size) else {
                break;
            };
            left = rest;
            kept.insert(index);
        }
        let mut index = 0..;
        self.details.retain(|_| {
            index
                .next()
                .is_some_and(|index: usize| kept.contains(&index))
        });
        self
    }
}
