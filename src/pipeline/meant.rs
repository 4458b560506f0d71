//! What a mistyped name may have meant.

use crate::{
    dockerfile::Dockerfile,
    fetch::{Fetch, Source},
    report::Finding,
};

/// From so many differing letters on it is another name. Source: BuildKit `util/suggest/error.go`, `Search`.
const OTHER: usize = 3;
/// Longer names are not compared, and no more fetches than these, so that it takes no time to speak of.
const MAX_NAME: usize = 64;
const MAX_FETCHES: usize = 50;

/// Adds to the findings about images which stage of `dockerfile` has nearly the image's name.
pub(super) fn tell(dockerfile: &Dockerfile<'_>, findings: &mut [(&Fetch, Finding)]) {
    if findings.is_empty() {
        return;
    }
    let Ok(stages) = dockerfile.stages() else {
        return;
    };
    let images = findings
        .iter_mut()
        .filter(|(fetch, _)| matches!(fetch.source, Source::Image { .. }));
    for (fetch, finding) in images.take(MAX_FETCHES) {
        let names = stages.stages.iter().map(|stage| &*stage.name);
        if let Some(name) = nearest(&fetch.expanded, names) {
            finding.next = format!(
                "if the stage {name} is meant, write that; else {}",
                finding.next
            );
        }
    }
}

/// The one of `names` that `word` differs least from; none if it is one of them.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for name in names.filter(|name| !name.is_empty()) {
        if name == word {
            return None;
        }
        if word.len() > MAX_NAME || word.len().abs_diff(name.len()) >= OTHER {
            continue;
        }
        let distance = strsim::levenshtein(word, name);
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    // Of a short word, most letters must be right.
    best.filter(|(distance, _)| *distance < OTHER && distance * 2 <= word.len())
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_told_if_it_is_near() {
        let names = ["build", "builder", "", "test"];
        let nearest = |word: &str| nearest(word, names.into_iter());
        assert_eq!(nearest("bulid"), Some("build"));
        assert_eq!(nearest("buildr"), Some("build"));
        assert_eq!(nearest("tset"), Some("test"));
        assert_eq!(nearest("build"), None, "it is one");
        assert_eq!(nearest("b"), None, "too far");
        assert_eq!(nearest("bui"), None, "too short for two letters");
        assert_eq!(nearest("debian"), None);
        assert_eq!(nearest(""), None);
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long), None);
    }
}
