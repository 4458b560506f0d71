//! TOML read without forgiveness, for the policy and the lock: every key known, every type exact, every error with its place.

use std::{collections::BTreeSet, fmt, ops::Range};

use jiff::civil::Date;
use toml_edit::{Document, Item, TableLike, Value};

/// Largest file read, in bytes.
pub const MAX_FILE: usize = 8 * 1024 * 1024;

/// The most values and lines that are read, because each takes some hundred bytes of memory: room for ten thousand locked
/// fetches.
const MAX_VALUES: usize = 100_000;

/// What is wrong in a policy or lock file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file's name, as the caller gave it.
    pub file: String,
    /// The bytes concerned.
    pub span: Range<usize>,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte in characters, from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )
    }
}

impl std::error::Error for FileError {}

/// A value and the bytes it was written with.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// A file's name and text, from which errors and line numbers are made.
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// Where lines end, so that each rule's line is found without reading the file again.
    newlines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Takes `bytes` as UTF-8 text of bounded size.
    pub fn new(bytes: &'a [u8], file: &'a str) -> Result<Self, FileError> {
        let (text, error) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let at = error.valid_up_to();
                let text = bytes
                    .get(..at)
                    .and_then(|good| std::str::from_utf8(good).ok());
                (text.unwrap_or(""), Some(at))
            }
        };
        let newlines = text.match_indices('\n').map(|(at, _)| at).collect();
        let source = Self {
            file,
            text,
            newlines,
        };
        if bytes.len() > MAX_FILE {
            return Err(source.error(0..0, format!("the file has more than {MAX_FILE} bytes")));
        }
        match error {
            None => Ok(source),
            Some(at) => {
                let message = "the file is not UTF-8 text from here on".to_owned();
                Err(source.error(at..at, message))
            }
        }
    }

    /// Parses the text and checks `version = 1`.
    pub fn document(&self, what: &str) -> Result<Document<&'a str>, FileError> {
        let values = self
            .text
            .bytes()
            .filter(|byte| matches!(byte, b'=' | b',' | b'[' | b'{' | b'\n'))
            .count();
        if values > MAX_VALUES {
            let message = format!("the {what} has more than {MAX_VALUES} values and lines");
            return Err(self.error(0..0, message));
        }
        let document = Document::parse(self.text).map_err(|error| {
            let end = self.text.len();
            let span = error.span().unwrap_or(end..end);
            self.error(
                span,
                format!("not valid TOML: {}", error.message().trim_end()),
            )
        })?;
        let top = Table::top(self, document.as_table());
        match top.integer("version")? {
            None => Err(self.error(0..0, format!("a {what} begins with `version = 1`"))),
            Some(version) if version.value == 1 => Ok(document),
            Some(version) => {
                let value = version.value;
                Err(self.error(
                    version.span,
                    format!("this {what} has version {value}; this build reads version 1, a newer one is needed"),
                ))
            }
        }
    }

    pub fn error(&self, span: Range<usize>, message: String) -> FileError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let column = before.get(line_start..).unwrap_or("").chars().count();
        FileError {
            file: self.file.to_owned(),
            line: self.line(span.start),
            column: column.saturating_add(1),
            span,
            message,
        }
    }

    /// The line of the byte at `offset`, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.newlines
            .partition_point(|newline| *newline < offset)
            .saturating_add(1)
    }
}

/// One table of the file, with the name it goes by in errors.
pub(crate) struct Table<'a> {
    source: &'a Source<'a>,
    table: &'a dyn TableLike,
    /// `[[image]]`, `[keys.base]`, or empty for the top of the file.
    pub name: String,
    /// The header, or what stands for it.
    pub span: Range<usize>,
}

impl<'a> Table<'a> {
    pub fn top(source: &'a Source<'a>, table: &'a toml_edit::Table) -> Self {
        Self {
            source,
            table,
            name: String::new(),
            span: 0..0,
        }
    }

    pub fn error(&self, span: Range<usize>, message: String) -> FileError {
        self.source.error(span, message)
    }

    /// The line of the table's header, from 1.
    pub fn line(&self) -> usize {
        self.source.line(self.span.start)
    }

    fn place(&self) -> String {
        match self.name.as_str() {
            "" => "at the top of the file".to_owned(),
            name => format!("in {name}"),
        }
    }

    fn key_span(&self, key: &str) -> Range<usize> {
        self.table
            .key(key)
            .and_then(toml_edit::Key::span)
            .unwrap_or_else(|| self.span.clone())
    }

    /// Refuses keys other than `known`; `later` gives the reason for keys that a later version reads.
    pub fn only(&self, known: &[&str], later: &[(&str, &str)]) -> Result<(), FileError> {
        for (key, _) in self.table.iter() {
            if known.contains(&key) {
                continue;
            }
            let span = self.key_span(key);
            if let Some((_, why)) = later.iter().find(|(name, _)| *name == key) {
                return Err(self.error(span, format!("`{key}` {}: {why}", self.place())));
            }
            let known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
            let place = self.place();
            return Err(self.error(
                span,
                format!(
                    "unknown key `{}` {place}; known are {}",
                    shown(key),
                    known.join(", ")
                ),
            ));
        }
        Ok(())
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The error that `key` is missing, at the table's header.
    pub fn missing(&self, key: &str, why: &str) -> FileError {
        self.error(
            self.span.clone(),
            format!("{} has no `{key}`: {why}", self.name),
        )
    }

    /// The error that `key` may not be here, at the key.
    pub fn misplaced(&self, key: &str, why: &str) -> FileError {
        self.error(
            self.key_span(key),
            format!("`{key}` {}: {why}", self.place()),
        )
    }

    fn value<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<Spanned<T>>, FileError> {
        let Some(item) = self.table.get(key) else {
            return Ok(None);
        };
        let span = item.span().unwrap_or_else(|| self.key_span(key));
        match item.as_value().and_then(read) {
            Some(value) => Ok(Some(Spanned { value, span })),
            None => {
                let found = item.type_name();
                let place = self.place();
                Err(self.error(
                    span,
                    format!("`{key}` {place} is {wanted}, not of type {found}"),
                ))
            }
        }
    }

    pub fn integer(&self, key: &str) -> Result<Option<Spanned<i64>>, FileError> {
        self.value(key, "a whole number", Value::as_integer)
    }

    pub fn boolean(&self, key: &str) -> Result<Option<Spanned<bool>>, FileError> {
        self.value(key, "true or false", Value::as_bool)
    }

    pub fn string(&self, key: &str) -> Result<Option<Spanned<&'a str>>, FileError> {
        self.value(key, "a text in quotes", Value::as_str)
    }

    pub fn required_string(&self, key: &str, why: &str) -> Result<Spanned<&'a str>, FileError> {
        self.string(key)?.ok_or_else(|| self.missing(key, why))
    }

    /// A text that is one of `values`.
    pub fn choice(&self, key: &str, values: &[&str]) -> Result<Option<&'a str>, FileError> {
        match self.string(key)? {
            Some(text) if !values.contains(&text.value) => {
                let values: Vec<_> = values.iter().map(|value| format!("\"{value}\"")).collect();
                let place = self.place();
                Err(self.error(
                    text.span,
                    format!("`{key}` {place} is {}", values.join(" or ")),
                ))
            }
            text => Ok(text.map(|text| text.value)),
        }
    }

    /// A day: a TOML local date without quotes.
    pub fn date(&self, key: &str) -> Result<Option<Spanned<Date>>, FileError> {
        self.value(
            key,
            "a day, without quotes, for example 2027-06-01",
            |value| {
                let date = value.as_datetime()?;
                let day = date
                    .date
                    .filter(|_| date.time.is_none() && date.offset.is_none())?;
                let (month, of_month) =
                    (i8::try_from(day.month).ok()?, i8::try_from(day.day).ok()?);
                Date::new(i16::try_from(day.year).ok()?, month, of_month).ok()
            },
        )
    }

    /// A list of texts, each only once.
    pub fn strings(&self, key: &str) -> Result<Option<Vec<Spanned<&'a str>>>, FileError> {
        let Some(array) = self.value(key, "a list of texts", Value::as_array)? else {
            return Ok(None);
        };
        let mut texts: Vec<Spanned<&str>> = Vec::new();
        let mut seen = BTreeSet::new();
        for value in array.value {
            let span = value.span().unwrap_or_else(|| array.span.clone());
            let Some(text) = value.as_str() else {
                return Err(
                    self.error(span, format!("`{key}` {} is a list of texts", self.place()))
                );
            };
            if !seen.insert(text) {
                return Err(self.error(span, format!("`{}` is in `{key}` twice", shown(text))));
            }
            texts.push(Spanned { value: text, span });
        }
        Ok(Some(texts))
    }

    /// The tables `[[key]]`, in the order of the file.
    pub fn tables(&self, key: &str) -> Result<Vec<Table<'a>>, FileError> {
        match self.table.get(key) {
            None => Ok(Vec::new()),
            Some(Item::ArrayOfTables(tables)) => Ok(tables
                .iter()
                .map(|table| Table {
                    source: self.source,
                    table,
                    name: format!("[[{key}]]"),
                    span: table.span().unwrap_or_else(|| self.key_span(key)),
                })
                .collect()),
            Some(_) => Err(self.misplaced(key, &format!("it is written as `[[{key}]]`"))),
        }
    }

    /// The tables in braces in the list `key`, in its order.
    pub fn inline_tables(&self, key: &str) -> Result<Vec<Table<'a>>, FileError> {
        let Some(array) = self.value(key, "a list of tables in braces", Value::as_array)? else {
            return Ok(Vec::new());
        };
        let tables = array.value.iter().map(|value| {
            let span = value.span().unwrap_or_else(|| array.span.clone());
            match value.as_inline_table() {
                Some(table) => Ok(Table {
                    source: self.source,
                    table,
                    name: format!("`{key}`"),
                    span,
                }),
                None => Err(self.error(
                    span,
                    format!("`{key}` {} is a list of tables in braces", self.place()),
                )),
            }
        });
        tables.collect()
    }

    /// The tables `[key.NAME]`, by name, in the order of the file.
    pub fn named_tables(&self, key: &str) -> Result<Vec<(String, Table<'a>)>, FileError> {
        let Some(item) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let form = format!("it is written as `[{key}.NAME]`");
        let all = item
            .as_table_like()
            .ok_or_else(|| self.misplaced(key, &form))?;
        let mut tables = Vec::new();
        for (name, item) in all.iter() {
            let span = all.key(name).and_then(toml_edit::Key::span);
            let span = span.unwrap_or_else(|| self.key_span(key));
            let table = item
                .as_table_like()
                .ok_or_else(|| self.error(span.clone(), form.clone()))?;
            let title = format!("[{key}.{}]", shown(name));
            tables.push((
                name.to_owned(),
                Table {
                    source: self.source,
                    table,
                    name: title,
                    span,
                },
            ));
        }
        Ok(tables)
    }
}

/// Text from a file, cut for an error message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
