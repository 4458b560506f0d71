//! Which recorded response a request gets.
//!
//! A request is matched by method, URL and body. Among several responses to these, the headers in [`super::record::ASKED`]
//! decide; what asks the same several times gets the answers in the order in which they were recorded, and the last one from then on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::record::{Exchange, Recording};
use crate::digest::Digest;

/// Headers that only say what a client would rather have: a response to the same URL is one to them, too.
const PREFERENCES: [&str; 2] = ["accept", "accept-encoding"];
/// Headers that make a response with the whole body into a shorter one. Who gets the whole body is served as well.
const CONDITIONS: [&str; 3] = ["if-modified-since", "if-none-match", "if-range"];

/// What a step asks for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The URL, normalised.
    pub url: &'a str,
    /// Its headers, those of [`super::record::ASKED`].
    pub headers: &'a BTreeMap<String, String>,
    /// The digest of its body, if it has one.
    pub sent: Option<&'a Digest>,
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This response.
    Whole(&'a Exchange),
    /// The head of this response, without its body: a `HEAD` for what was only fetched with `GET`.
    Head(&'a Exchange),
    /// The bytes from the first to the last, both included, of this response's body.
    Part(&'a Exchange, u64, u64),
    /// Nothing of it: the range begins behind the end of this response's body.
    Beyond(&'a Exchange),
}

/// The responses to one request.
#[derive(Debug, Default)]
struct Group {
    /// In the recording, in order.
    exchanges: Vec<usize>,
    next: AtomicUsize,
}

/// A recording, ready to be served.
#[derive(Debug)]
pub struct Replayed {
    recording: Recording,
    /// By method and URL.
    groups: HashMap<(String, String), Vec<Group>>,
}

impl Replayed {
    /// Serves `recording`.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        let mut groups: HashMap<(String, String), Vec<Group>> = HashMap::new();
        for (index, exchange) in recording.exchanges.iter().enumerate() {
            let key = (exchange.method.clone(), exchange.url.clone());
            let list = groups.entry(key).or_default();
            let same = list.iter_mut().find(|group| {
                let first = group.exchanges.first();
                first
                    .and_then(|first| recording.exchanges.get(*first))
                    .is_some_and(|first| {
                        first.asked == exchange.asked && first.sent == exchange.sent
                    })
            });
            match same {
                Some(group) => group.exchanges.push(index),
                None => list.push(Group {
                    exchanges: vec![index],
                    next: AtomicUsize::new(0),
                }),
            }
        }
        Self { recording, groups }
    }

    /// The recording.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// What `asked` gets; `None` if it was never asked for.
    #[must_use]
    pub fn find(&self, asked: &Asked<'_>) -> Option<Found<'_>> {
        let groups = self.groups(asked.method, asked.url);
        let mut with_body = groups.iter().filter(|group| {
            self.first(group)
                .is_some_and(|first| first.sent.as_ref() == asked.sent)
        });
        let exact = with_body.clone().find(|group| {
            self.first(group)
                .is_some_and(|first| first.asked == *asked.headers)
        });
        if let Some(group) = exact {
            return self.take(group).map(Found::Whole);
        }
        // The same but for what the client would rather have.
        let alike = with_body.find(|group| {
            self.first(group)
                .is_some_and(|first| strict(&first.asked) == strict(asked.headers))
        });
        if let Some(group) = alike {
            return self.take(group).map(Found::Whole);
        }
        self.derived(asked)
    }

    /// A response that follows from a recorded one: a part of it, its head, or all of it where only news were asked for.
    fn derived(&self, asked: &Asked<'_>) -> Option<Found<'_>> {
        if asked.sent.is_some() || !matches!(asked.method, "GET" | "HEAD") {
            return None;
        }
        let unconditional = |exchange: &&Exchange| {
            ["range", "content-encoding", "git-protocol"]
                .iter()
                .all(|name| {
                    exchange.asked.get(*name) == asked.headers.get(*name)
                        || *name == "range" && !exchange.asked.contains_key("range")
                })
                && !CONDITIONS
                    .iter()
                    .any(|name| exchange.asked.contains_key(*name))
                && exchange.sent.is_none()
        };
        let of = |method: &str| {
            self.groups(method, asked.url)
                .iter()
                .filter_map(|group| self.last_taken(group))
                .find(unconditional)
        };
        if asked.method == "HEAD" {
            return of("GET").map(Found::Head);
        }
        let exchange = of("GET")?;
        let Some(range) = asked.headers.get("range") else {
            return Some(Found::Whole(exchange));
        };
        if exchange.status != 200 {
            return Some(Found::Whole(exchange));
        }
        Some(match part(range, exchange.size) {
            Some(Ok((first, last))) => Found::Part(exchange, first, last),
            Some(Err(())) => Found::Beyond(exchange),
            // Several ranges, or none that is understood: a server may always answer with everything.
            None => Found::Whole(exchange),
        })
    }

    fn groups(&self, method: &str, url: &str) -> &[Group] {
        self.groups
            .get(&(method.to_owned(), url.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    fn first(&self, group: &Group) -> Option<&Exchange> {
        self.recording.exchanges.get(*group.exchanges.first()?)
    }

    /// The next answer of the group.
    fn take(&self, group: &Group) -> Option<&Exchange> {
        let number = group.next.fetch_add(1, Ordering::Relaxed);
        let last = group.exchanges.len().checked_sub(1)?;
        let index = group.exchanges.get(number.min(last))?;
        self.recording.exchanges.get(*index)
    }

    /// The answer that was given last, without another one being used up.
    fn last_taken(&self, group: &Group) -> Option<&Exchange> {
        let number = group.next.load(Ordering::Relaxed).saturating_sub(1);
        let last = group.exchanges.len().checked_sub(1)?;
        let index = group.exchanges.get(number.min(last))?;
        self.recording.exchanges.get(*index)
    }
}

/// The headers that are no preferences.
fn strict(headers: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !PREFERENCES.contains(name))
        .collect()
}

/// The bytes that a `Range` of one part asks for, of `size`; an error if there are none.
///
/// Source: RFC 9110, section 14.1.2.
fn part(range: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let end = size.checked_sub(1);
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (first.trim(), last.trim()) {
        ("", suffix) => {
            let length = number(suffix)?;
            if length == 0 {
                return Some(Err(()));
            }
            (size.saturating_sub(length), end)
        }
        (first, "") => (number(first)?, end),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, end.map(|end| last.min(end)))
        }
    };
    Some(match last {
        Some(last) if first <= last => Ok((first, last)),
        _ => Err(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(method: &str, url: &str, asked: &[(&str, &str)], body: &str) -> Exchange {
        Exchange {
            method: method.into(),
            url: url.into(),
            asked: headers(asked),
            sent: None,
            status: 200,
            headers: BTreeMap::new(),
            digest: Digest::sha256(body.as_bytes()),
            size: body.len() as u64,
        }
    }

    fn headers(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn replayed(exchanges: Vec<Exchange>) -> Replayed {
        let mut recording = Recording::new(Digest::sha256(b"step"), "command");
        recording.exchanges = exchanges;
        recording.sort();
        recording.check().unwrap();
        Replayed::new(recording)
    }

    fn find<'a>(
        replayed: &'a Replayed,
        method: &str,
        url: &str,
        asked: &[(&str, &str)],
    ) -> Option<Found<'a>> {
        let headers = headers(asked);
        replayed.find(&Asked {
            method,
            url,
            headers: &headers,
            sent: None,
        })
    }

    const URL: &str = "http://files.test/a";

    #[test]
    fn only_what_was_asked_is_answered() {
        let replayed = replayed(vec![exchange("GET", URL, &[], "one")]);
        assert!(matches!(
            find(&replayed, "GET", URL, &[]),
            Some(Found::Whole(_))
        ));
        for (method, url) in [
            ("POST", URL),
            ("GET", "https://files.test/a"),
            ("GET", "http://files.test/a?"),
            ("GET", "http://files.test/A"),
            ("GET", "http://files.test:8080/a"),
            ("GET", "http://other.test/a"),
        ] {
            assert_eq!(find(&replayed, method, url, &[]), None, "{method} {url}");
        }
        let headers = BTreeMap::new();
        let sent = Digest::sha256(b"body");
        let asked = Asked {
            method: "GET",
            url: URL,
            headers: &headers,
            sent: Some(&sent),
        };
        assert_eq!(replayed.find(&asked), None);
    }

    #[test]
    fn the_body_of_a_request_decides() {
        let mut posts = Vec::new();
        for (sent, body) in [("a", "one"), ("b", "two")] {
            let mut post = exchange("POST", URL, &[], body);
            post.sent = Some(Digest::sha256(sent.as_bytes()));
            posts.push(post);
        }
        let replayed = replayed(posts.clone());
        let headers = BTreeMap::new();
        for (sent, body) in [("a", Some("one")), ("b", Some("two")), ("c", None)] {
            let sent = Digest::sha256(sent.as_bytes());
            let asked = Asked {
                method: "POST",
                url: URL,
                headers: &headers,
                sent: Some(&sent),
            };
            let digest = match replayed.find(&asked) {
                Some(Found::Whole(exchange)) => Some(exchange.digest.clone()),
                _ => None,
            };
            assert_eq!(digest, body.map(|body| Digest::sha256(body.as_bytes())));
        }
    }

    #[test]
    fn equal_requests_are_answered_in_order_and_the_last_answer_stays() {
        let replayed = replayed(vec![
            exchange("GET", URL, &[], "zz"),
            exchange("GET", URL, &[], "aaa"),
        ]);
        let sizes: Vec<u64> = (0..4)
            .filter_map(|_| match find(&replayed, "GET", URL, &[]) {
                Some(Found::Whole(exchange)) => Some(exchange.size),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, [2, 3, 3, 3]);
    }

    #[test]
    fn what_a_client_prefers_tells_recorded_answers_apart_but_misses_none() {
        let replayed = replayed(vec![
            exchange("GET", URL, &[("accept", "text/html")], "html"),
            exchange("GET", URL, &[("accept", "application/json")], "js"),
        ]);
        let size = |asked: &[(&str, &str)]| match find(&replayed, "GET", URL, asked) {
            Some(Found::Whole(exchange)) => exchange.size,
            other => panic!("{other:?}"),
        };
        assert_eq!(size(&[("accept", "text/html")]), 4);
        assert_eq!(size(&[("accept", "application/json")]), 2);
        size(&[("accept", "*/*"), ("accept-encoding", "br")]);
        // Another protocol is another question.
        assert_eq!(
            find(&replayed, "GET", URL, &[("git-protocol", "version=2")]),
            None
        );
    }

    #[test]
    fn news_only_go_to_who_asked_for_them() {
        let mut unchanged = exchange("GET", URL, &[("if-none-match", "\"x\"")], "");
        unchanged.status = 304;
        let first = replayed(vec![unchanged.clone()]);
        assert!(find(&first, "GET", URL, &[("if-none-match", "\"x\"")]).is_some());
        assert_eq!(find(&first, "GET", URL, &[]), None);
        assert_eq!(
            find(&first, "GET", URL, &[("if-none-match", "\"y\"")]),
            None
        );
        let both = replayed(vec![unchanged, exchange("GET", URL, &[], "one")]);
        assert!(matches!(
            find(&both, "GET", URL, &[("if-none-match", "\"y\"")]),
            Some(Found::Whole(exchange)) if exchange.status == 200
        ));
    }

    #[test]
    fn parts_and_heads_of_what_is_there() {
        let replayed = replayed(vec![exchange("GET", URL, &[], "0123456789")]);
        for (range, wanted) in [
            ("bytes=0-0", Some((0, 0))),
            ("bytes=2-", Some((2, 9))),
            ("bytes=2-99", Some((2, 9))),
            ("bytes=-3", Some((7, 9))),
            ("bytes=-99", Some((0, 9))),
            ("bytes=10-", None),
            ("bytes=-0", None),
        ] {
            match (find(&replayed, "GET", URL, &[("range", range)]), wanted) {
                (Some(Found::Part(_, first, last)), Some(part)) => {
                    assert_eq!((first, last), part, "{range}")
                }
                (Some(Found::Beyond(_)), None) => {}
                other => panic!("{range}: {other:?}"),
            }
        }
        for range in ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-"] {
            assert!(
                matches!(
                    find(&replayed, "GET", URL, &[("range", range)]),
                    Some(Found::Whole(_))
                ),
                "{range}"
            );
        }
        assert!(matches!(
            find(&replayed, "HEAD", URL, &[]),
            Some(Found::Head(_))
        ));
    }

    #[test]
    fn a_recorded_part_is_no_whole() {
        let mut recorded = exchange("GET", URL, &[("range", "bytes=0-1")], "01");
        recorded.status = 206;
        let replayed = replayed(vec![recorded]);
        assert!(find(&replayed, "GET", URL, &[("range", "bytes=0-1")]).is_some());
        assert_eq!(find(&replayed, "GET", URL, &[]), None);
        assert_eq!(find(&replayed, "GET", URL, &[("range", "bytes=0-0")]), None);
        assert_eq!(find(&replayed, "HEAD", URL, &[]), None);
    }
}
