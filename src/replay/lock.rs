//! Recordings in `Dockerfile.lock`: one table for a step, one line for a request.
//!
//! ```toml
//! [[run]]
//! step = "sha256:…"
//! command = "curl -fsSLO https://files.example.com/tool.tar.gz"
//! requests = [
//!     { url = "https://files.example.com/tool.tar.gz", digest = "sha256:…", size = 1234, headers = ["content-type: application/gzip"] },
//! ]
//! ```

use std::{collections::BTreeMap, fmt};

use super::record::{Exchange, Recording};
use crate::{
    digest::Digest,
    policy::strict::{FileError, Spanned, Table},
};

/// What a request has that does not say otherwise.
const METHOD: &str = "GET";
const STATUS: u16 = 200;

/// Reads the tables `[[run]]`.
pub(crate) fn read(top: &Table<'_>) -> Result<BTreeMap<Digest, Recording>, FileError> {
    let mut runs = BTreeMap::new();
    for table in top.tables("run")? {
        table.only(
            &["step", "command", "requests", "names", "unknown-names"],
            &[],
        )?;
        let step = table.required_string("step", "it says which step was recorded")?;
        let command = table.required_string("command", "it says so to readers")?;
        let mut recording = Recording::new(digest(&table, &step, "step")?, command.value);
        for request in table.inline_tables("requests")? {
            recording.exchanges.push(exchange(&request)?);
        }
        let names = |key: &str| {
            let names = table.strings(key)?.unwrap_or_default();
            Ok(names.iter().map(|name| name.value.to_owned()).collect())
        };
        recording.names = names("names")?;
        recording.unknown_names = names("unknown-names")?;
        recording
            .check()
            .map_err(|error| table.error(table.span.clone(), error.to_string()))?;
        let span = step.span;
        if runs.insert(recording.step.clone(), recording).is_some() {
            return Err(table.error(span, "this step is in the lock twice".to_owned()));
        }
    }
    Ok(runs)
}

fn exchange(table: &Table<'_>) -> Result<Exchange, FileError> {
    table.only(
        &[
            "method", "url", "asked", "sent", "status", "headers", "digest", "size",
        ],
        &[],
    )?;
    let url = table.required_string("url", "it says what was asked for")?;
    let found = table.required_string("digest", "it says what the answer was")?;
    let size = table.integer("size")?;
    let size = match size.as_ref().map(|size| u64::try_from(size.value)) {
        Some(Ok(size)) => size,
        _ => return Err(table.missing("size", "it says how long the answer was")),
    };
    let status = match table.integer("status")? {
        None => STATUS,
        Some(status) => u16::try_from(status.value)
            .map_err(|_| table.error(status.span, "`status` is one of HTTP".to_owned()))?,
    };
    let sent = table.string("sent")?;
    Ok(Exchange {
        method: table
            .string("method")?
            .map_or(METHOD, |method| method.value)
            .to_owned(),
        url: url.value.to_owned(),
        asked: headers(table, "asked")?,
        sent: sent.map(|sent| digest(table, &sent, "sent")).transpose()?,
        status,
        headers: headers(table, "headers")?,
        digest: digest(table, &found, "digest")?,
        size,
    })
}

fn headers(table: &Table<'_>, key: &str) -> Result<BTreeMap<String, String>, FileError> {
    let mut found = BTreeMap::new();
    for line in table.strings(key)?.unwrap_or_default() {
        let wrong = |why: &str| table.error(line.span.clone(), format!("`{key}`: {why}"));
        let (name, value) = line
            .value
            .split_once(": ")
            .ok_or_else(|| wrong("a header is written `name: value`"))?;
        if found.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(wrong("this header is there twice"));
        }
    }
    Ok(found)
}

fn digest(table: &Table<'_>, text: &Spanned<&str>, key: &str) -> Result<Digest, FileError> {
    text.value
        .parse()
        .map_err(|error| table.error(text.span.clone(), format!("`{key}`: {error}")))
}

/// Writes one table `[[run]]`.
pub(crate) fn write(recording: &Recording, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    writeln!(out, "\n[[run]]\nstep = \"{}\"", recording.step)?;
    writeln!(out, "command = {}", quoted(&recording.command))?;
    for (key, names) in [
        ("names", &recording.names),
        ("unknown-names", &recording.unknown_names),
    ] {
        if !names.is_empty() {
            let names: toml_edit::Array = names.iter().map(String::as_str).collect();
            writeln!(out, "{key} = {names}")?;
        }
    }
    if recording.exchanges.is_empty() {
        return writeln!(out, "requests = []");
    }
    out.write_str("requests = [\n")?;
    for exchange in &recording.exchanges {
        out.write_str("    { ")?;
        if exchange.method != METHOD {
            write!(out, "method = {}, ", quoted(&exchange.method))?;
        }
        write!(out, "url = {}, ", quoted(&exchange.url))?;
        write_headers("asked", &exchange.asked, out)?;
        if let Some(sent) = &exchange.sent {
            write!(out, "sent = \"{sent}\", ")?;
        }
        if exchange.status != STATUS {
            write!(out, "status = {}, ", exchange.status)?;
        }
        write_headers("headers", &exchange.headers, out)?;
        writeln!(
            out,
            "digest = \"{}\", size = {} }},",
            exchange.digest, exchange.size
        )?;
    }
    out.write_str("]\n")
}

fn write_headers(
    key: &str,
    headers: &BTreeMap<String, String>,
    out: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if headers.is_empty() {
        return Ok(());
    }
    let lines: toml_edit::Array = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    write!(out, "{key} = {lines}, ")
}

#[cfg(test)]
mod tests {
    use crate::{
        digest::Digest,
        lock::Lock,
        replay::record::{Exchange, Recording},
    };

    fn lock() -> Lock {
        let mut recording = Recording::new(Digest::sha256(b"step"), "curl \"a\" |\ttar 'x'");
        recording.exchanges = vec![
            Exchange {
                method: "GET".into(),
                url: "https://files.test/a?b=c".into(),
                asked: [("accept".to_owned(), "*/*".to_owned())].into(),
                sent: None,
                status: 200,
                headers: [("content-type".to_owned(), "a/b; c=\"d\"".to_owned())].into(),
                digest: Digest::sha256(b"body"),
                size: 4,
            },
            Exchange {
                method: "POST".into(),
                url: "https://files.test/p".into(),
                asked: [].into(),
                sent: Some(Digest::sha256(b"sent")),
                status: 404,
                headers: [].into(),
                digest: Digest::sha256(b""),
                size: 0,
            },
        ];
        let mut lock = Lock::default();
        recording.names.insert("asked.test".into());
        recording.unknown_names.insert("_s._tcp.none.test".into());
        lock.set_run(recording);
        lock.set_run(Recording::new(Digest::sha256(b"other"), "true"));
        lock
    }

    #[test]
    fn recordings_come_back_as_they_were_written() {
        let text = lock().to_string();
        let back = Lock::parse(text.as_bytes(), "l").unwrap();
        assert_eq!(back, lock(), "{text}");
        assert_eq!(back.to_string(), text);
    }

    #[test]
    fn what_nobody_recorded_is_refused_with_its_line() {
        let text = lock().to_string();
        for (from, to, message) in [
            ("size = 4", "size = -4", "size"),
            ("size = 4", "size = \"4\"", "size"),
            (", size = 4", "", "size"),
            ("status = 404", "status = 40", "status"),
            ("status = 404", "status = 404, more = 1", "more"),
            ("POST", "post", "method"),
            ("POST", "CONNECT", "method"),
            ("https://files.test/p", "HTTPS://files.test/p", "URL"),
            ("https://files.test/p", "file:///p", "http"),
            ("accept: */*", "cookie: a", "cookie"),
            ("accept: */*", "accept", "name: value"),
            ("content-type: ", "set-cookie: ", "set-cookie"),
            ("step = \"sha256:", "step = \"sha512:", "sha512"),
            ("digest = \"sha256:", "digest = \"", "digest"),
            ("[\"asked.test\"]", "\"asked.test\"", "names"),
            ("asked.test", "asked test", "no name of a host"),
            ("_s._tcp.none.test", "NONE.test", "no name of a host"),
        ] {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text, "{from}");
            let error = Lock::parse(edited.as_bytes(), "l").unwrap_err();
            assert!(error.message.contains(message), "{from}: {error:?}");
            assert!(error.line > 2, "{error:?}");
        }
        let tables: Vec<&str> = text.split("\n[[run]]").collect();
        let twice = format!("{text}\n[[run]]{}", tables[1]);
        assert!(Lock::parse(twice.as_bytes(), "l").is_err());
    }
}
