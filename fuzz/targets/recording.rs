//! Recordings of RUN steps, and requests that are answered from them: whatever is read is written the same again, what was recorded is
//! found, and what is found is of the URL that was asked for and lies within its body.
//!
//! Input: a recording as JSON in the first line; then a request in each: method, URL, and headers as `name:value`.
#![no_main]

use std::{collections::BTreeMap, str};

use fuzz::{
    digest::Digest,
    replay::{
        record::{ASKED, Recording},
        replayed::{Asked, Found, Replayed},
        url::Url,
    },
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut recording = Recording::from_json(lines.next().unwrap_or_default())
        .unwrap_or_else(|_| Recording::new(Digest::sha256(b"step"), "command"));
    let again = recording.to_json().expect("a recording that was read is written");
    assert_eq!(Recording::from_json(&again).as_ref(), Ok(&recording));
    recording.sort();
    let replayed = Replayed::new(recording.clone());
    for exchange in &recording.exchanges {
        let found = replayed.find(&Asked {
            method: &exchange.method,
            url: &exchange.url,
            headers: &exchange.asked,
            sent: exchange.sent.as_ref(),
        });
        let Some(Found::Whole(found)) = found else {
            panic!("{exchange:?} is not found");
        };
        assert_eq!(
            (&found.method, &found.url, &found.asked, &found.sent),
            (&exchange.method, &exchange.url, &exchange.asked, &exchange.sent)
        );
    }
    for line in lines.take(100) {
        let mut words = str::from_utf8(line).unwrap_or_default().split(' ');
        let (Some(method), Some(Ok(url))) = (words.next(), words.next().map(Url::parse)) else {
            continue;
        };
        let text = url.to_string();
        assert_eq!(Url::parse(&text).as_ref(), Ok(&url), "{text}");
        assert!(!url.host().is_empty());
        let headers: BTreeMap<String, String> = words
            .filter_map(|word| word.split_once(':'))
            .filter(|(name, _)| ASKED.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let found = replayed.find(&Asked {
            method,
            url: &text,
            headers: &headers,
            sent: None,
        });
        let exchange = match found {
            None => continue,
            Some(Found::Head(exchange)) => {
                assert_eq!((method, exchange.method.as_str()), ("HEAD", "GET"));
                exchange
            }
            Some(Found::Whole(exchange)) => exchange,
            Some(Found::Part(exchange, first, last)) => {
                assert!(first <= last && last < exchange.size, "{first}-{last}");
                assert_eq!(exchange.status, 200);
                exchange
            }
            Some(Found::Beyond(exchange)) => exchange,
        };
        assert_eq!(exchange.url, text);
        assert!(exchange.sent.is_none());
    }
});
