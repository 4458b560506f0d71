//! Changes to a file, in words: what makes a hostile case one line.
//!
//! | edit | does |
//! | --- | --- |
//! | `flip N` | inverts the lowest bit of byte N; a negative N counts from the end (-1 is the last byte) |
//! | `truncate N` | keeps N bytes; a negative N drops so many at the end |
//! | `append HEX` | adds bytes at the end; `HEX*1000` repeats them |
//! | `insert N HEX` | adds bytes before byte N |
//! | `replace "a" "b"` | all `a`, of which there must be one; JSON strings |
//! | `repeat N` | the whole file N times |
//! | `swap-lines A B`, `remove-line A`, `repeat-line A` | lines, from 1 |
//! | `crlf` | line ends as on Windows |
//! | `set POINTER JSON`, `remove POINTER` | one value in a JSON file (RFC 6901) |
//! | `line N EDIT` | the edit, on the text of a line |
//! | `at POINTER EDIT` | the edit, on a string in a JSON file |
//! | `base64 EDIT`, `base64url EDIT` | the edit, on what the base64 text stands for |
//! | `pem EDIT` | the edit, on what an armored block (`-----BEGIN ...-----`) without headers stands for |
//!
//! They nest: `line 2 base64 flip 10`, `at /protected base64url set /alg "none"`.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use libtest_mimic::Trial;
use serde_json::Value;

/// `bytes` after `edit`.
pub fn apply(edit: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (verb, rest) = edit.split_once(' ').unwrap_or((edit, ""));
    let mut out = bytes.to_vec();
    match verb {
        "flip" => {
            let at = position(rest, bytes.len())?;
            *out.get_mut(at).ok_or("there is no such byte")? ^= 1;
        }
        "truncate" => {
            let at = position(rest, bytes.len())?;
            if at >= bytes.len() {
                return Err("the file is not longer".to_owned());
            }
            out.truncate(at);
        }
        "append" => out.extend(hex(rest)?),
        "insert" => {
            let (at, rest) = rest.split_once(' ').ok_or("insert N HEX")?;
            let at = position(at, bytes.len())?;
            if at > bytes.len() {
                return Err("there is no such byte".to_owned());
            }
            out.splice(at..at, hex(rest)?);
        }
        "replace" => {
            let mut words = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let (Some(Ok(old)), Some(Ok(new)), None) = (words.next(), words.next(), words.next())
            else {
                return Err(r#"replace "a" "b""#.to_owned());
            };
            out = replace(bytes, old.as_bytes(), new.as_bytes())?;
        }
        "repeat" => out = bytes.repeat(number(rest)?),
        "swap-lines" => {
            let (a, b) = rest.split_once(' ').ok_or("swap-lines A B")?;
            let mut lines = lines(bytes);
            let (a, b) = (line_index(a, &lines)?, line_index(b, &lines)?);
            lines.swap(a, b);
            out = lines.concat();
        }
        "remove-line" | "repeat-line" => {
            let mut lines = lines(bytes);
            let at = line_index(rest, &lines)?;
            if verb == "remove-line" {
                lines.remove(at);
            } else {
                lines.insert(at, lines[at].clone());
            }
            out = lines.concat();
        }
        "crlf" => out = replace(bytes, b"\n", b"\r\n")?,
        "set" => {
            let (pointer, value) = rest.split_once(' ').ok_or("set POINTER JSON")?;
            let value = serde_json::from_str(value).map_err(|error| error.to_string())?;
            out = json(bytes, |root| set(root, pointer, value))?;
        }
        "remove" => out = json(bytes, |root| remove(root, rest))?,
        "line" => {
            let (at, edit) = rest.split_once(' ').ok_or("line N EDIT")?;
            let mut lines = lines(bytes);
            let at = line_index(at, &lines)?;
            let text = lines[at].strip_suffix(b"\n").unwrap_or(&lines[at]).to_vec();
            let end = lines[at].split_off(text.len());
            lines[at] = apply(edit, &text)?;
            lines[at].extend(end);
            out = lines.concat();
        }
        "at" => {
            let (pointer, edit) = rest.split_once(' ').ok_or("at POINTER EDIT")?;
            out = json(bytes, |root| {
                let value = root.pointer_mut(pointer).ok_or("there is no such value")?;
                let text = value.as_str().ok_or("the value is no text")?;
                let changed = apply(edit, text.as_bytes())?;
                *value = String::from_utf8(changed)
                    .map_err(|_| "no longer text")?
                    .into();
                Ok(())
            })?;
        }
        "base64" | "base64url" => {
            let engine = if verb == "base64" {
                STANDARD
            } else {
                URL_SAFE_NO_PAD
            };
            let raw = engine.decode(bytes).map_err(|error| error.to_string())?;
            out = engine.encode(apply(rest, &raw)?).into_bytes();
        }
        "pem" => out = pem(bytes, rest)?,
        _ => return Err("unknown edit".to_owned()),
    }
    Ok(out)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn position(text: &str, length: usize) -> Result<usize, String> {
    match text.strip_prefix('-') {
        None => number(text),
        Some(back) => length
            .checked_sub(number(back)?)
            .ok_or_else(|| "before the start".to_owned()),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let (digits, times) = text.split_once('*').unwrap_or((text, "1"));
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    let bytes = bytes
        .filter(|bytes| !bytes.is_empty())
        .ok_or("no hexadecimal digits")?;
    Ok(bytes.repeat(number(times)?))
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

fn line_index(text: &str, lines: &[Vec<u8>]) -> Result<usize, String> {
    let index = number(text)?
        .checked_sub(1)
        .filter(|index| *index < lines.len());
    index.ok_or_else(|| "there is no such line".to_owned())
}

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Result<Vec<u8>, String> {
    let (mut out, mut rest, mut found) = (Vec::new(), bytes, false);
    while let [first, tail @ ..] = rest {
        if !old.is_empty()
            && let Some(after) = rest.strip_prefix(old)
        {
            out.extend(new);
            (rest, found) = (after, true);
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    if found {
        Ok(out)
    } else {
        Err("there is nothing to replace".to_owned())
    }
}

fn json(
    bytes: &[u8],
    change: impl FnOnce(&mut Value) -> Result<(), String>,
) -> Result<Vec<u8>, String> {
    let mut root = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    change(&mut root)?;
    Ok(root.to_string().into_bytes())
}

/// Parent and last step of a pointer.
fn split<'r, 'p>(
    root: &'r mut Value,
    pointer: &'p str,
) -> Result<(&'r mut Value, &'p str), String> {
    let (parent, key) = pointer.rsplit_once('/').ok_or("a pointer starts with /")?;
    let parent = root.pointer_mut(parent).ok_or("there is no such value")?;
    Ok((parent, key))
}

fn set(root: &mut Value, pointer: &str, new: Value) -> Result<(), String> {
    let (parent, key) = split(root, pointer)?;
    let key = key.replace("~1", "/").replace("~0", "~");
    match parent {
        Value::Object(map) => {
            map.insert(key, new);
        }
        Value::Array(list) if key == "-" => list.push(new),
        Value::Array(list) => *list.get_mut(number(&key)?).ok_or("no such element")? = new,
        _ => return Err("the parent is no container".to_owned()),
    }
    Ok(())
}

fn remove(root: &mut Value, pointer: &str) -> Result<(), String> {
    let (parent, key) = split(root, pointer)?;
    let key = key.replace("~1", "/").replace("~0", "~");
    match parent {
        Value::Object(map) => map.remove(&key).map(|_| ()).ok_or("no such member")?,
        Value::Array(list) if number(&key)? < list.len() => {
            list.remove(number(&key)?);
        }
        _ => return Err("no such element".to_owned()),
    }
    Ok(())
}

/// One armored block without headers; lines as wide as its first one.
fn pem(bytes: &[u8], edit: &str) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "no text")?;
    let mut lines: Vec<&str> = text.lines().collect();
    let begin = lines
        .iter()
        .position(|line| line.starts_with("-----BEGIN "));
    let end = lines.iter().position(|line| line.starts_with("-----END "));
    let (Some(begin), Some(end)) = (begin, end) else {
        return Err("no armored block".to_owned());
    };
    if begin + 1 >= end {
        return Err("an empty block".to_owned());
    }
    let tail = lines.split_off(end);
    let body = lines.split_off(begin + 1);
    let raw = STANDARD
        .decode(body.concat())
        .map_err(|error| error.to_string())?;
    let raw = STANDARD.encode(apply(edit, &raw)?);
    let wrapped = raw.as_bytes().chunks(body[0].len());
    lines.extend(wrapped.map(|line| std::str::from_utf8(line).unwrap()));
    lines.extend(tail);
    Ok((lines.join("\n") + "\n").into_bytes())
}

/// The edits are tools of the tests, and tested as well.
pub fn trials() -> Vec<Trial> {
    let cases: &[(&str, &str, &str)] = &[
        ("flip 1", "abc", "acc"),
        ("flip -1", "abc", "abb"),
        ("truncate 2", "abc", "ab"),
        ("truncate -1", "abc", "ab"),
        ("append 0a61", "abc", "abc\na"),
        ("append 61*3", "b", "baaa"),
        ("insert 1 7a7a", "abc", "azzbc"),
        (r#"replace "b" "\n""#, "abcb", "a\nc\n"),
        ("repeat 2", "ab", "abab"),
        ("swap-lines 1 3", "a\nb\nc\n", "c\nb\na\n"),
        ("remove-line 2", "a\nb\nc", "a\nc"),
        ("repeat-line 1", "a\nb\n", "a\na\nb\n"),
        ("crlf", "a\nb\n", "a\r\nb\r\n"),
        ("set /a/0 true", r#"{"a":[1]}"#, r#"{"a":[true]}"#),
        ("set /b {}", r#"{"a":1}"#, r#"{"a":1,"b":{}}"#),
        ("remove /a", r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        ("line 2 append 63", "a\nb\n", "a\nbc\n"),
        ("at /a base64 flip 0", r#"{"a":"YWE="}"#, r#"{"a":"YGE="}"#),
        (
            "at /a base64url append 61",
            r#"{"a":"YQ"}"#,
            r#"{"a":"YWE"}"#,
        ),
        (
            "pem append 61",
            "-----BEGIN X-----\nYWE=\n-----END X-----\n",
            "-----BEGIN X-----\nYWFh\n-----END X-----\n",
        ),
    ];
    let wrong: &[(&str, &str)] = &[
        ("flip 3", "abc"),
        ("flip -4", "abc"),
        ("truncate 3", "abc"),
        ("insert 4 61", "abc"),
        ("append 6", "abc"),
        ("append zz", "abc"),
        (r#"replace "x" "y""#, "abc"),
        ("remove-line 2", "a\n"),
        ("swap-lines 0 1", "a\n"),
        ("remove /b", r#"{"a":1}"#),
        ("at /a flip 0", r#"{"a":1}"#),
        ("burn", "abc"),
    ];
    let good = cases.iter().map(|(edit, before, after)| {
        Trial::test(format!("edits: {edit}"), move || {
            let found = apply(edit, before.as_bytes())?;
            let found = String::from_utf8(found)?;
            if found == *after {
                Ok(())
            } else {
                Err(found.into())
            }
        })
    });
    let bad = wrong.iter().map(|(edit, before)| {
        Trial::test(
            format!("edits: {edit} has nothing to do"),
            move || match apply(edit, before.as_bytes()) {
                Ok(found) => Err(String::from_utf8_lossy(&found).into_owned().into()),
                Err(_) => Ok(()),
            },
        )
    });
    good.chain(bad).collect()
}
