//! Words to values: parameters, `$( )`, quotes, and the splitting of what is not quoted.

use super::{
    Dialect,
    options::Field,
    pattern::{self, Glob},
    syntax::{Op, Param, Part, Word},
    value::{Piece, Text, Value},
    walk::Walker,
};

/// How many fields one word may become.
const MAX_FIELDS: usize = 1_000;

impl Walker<'_> {
    /// The word as one value, not split: of an assignment, a subject, a redirection.
    pub fn single(&mut self, word: &Word) -> Value {
        let mut value = Value::default();
        for part in &word.parts {
            let more = self.part(part);
            value = self.join(&value, &more);
        }
        value
    }

    pub fn join(&mut self, first: &Value, second: &Value) -> Value {
        self.spend(first.length().saturating_add(second.length()));
        first.then(second)
    }

    fn part(&mut self, part: &Part) -> Value {
        match part {
            Part::Text { text, .. } => Value::literal(text.as_str()),
            Part::Param { param, .. } => self.param(param),
            Part::Command { script, .. } => self.substitution(script),
            Part::Process(script) => {
                let value = self.substitution(script);
                if value.downloaded() {
                    value
                } else {
                    Value::unknown("<(...)")
                }
            }
            Part::Arithmetic => Value::unknown("$((...))"),
        }
    }

    /// The word as the fields that it becomes.
    pub fn fields(&mut self, word: &Word) -> Vec<Field> {
        // Each piece that is split begins new fields where it has white space.
        let mut fields: Vec<Value> = Vec::new();
        let mut open = false;
        for part in &word.parts {
            let (quoted, multiple) = match part {
                Part::Text { quoted, .. } => (*quoted, false),
                Part::Param { quoted, param } => (*quoted && !param.all, true),
                Part::Command { quoted, .. } => (*quoted, true),
                Part::Process(_) | Part::Arithmetic => (true, false),
            };
            let value = self.part(part);
            if quoted || !multiple {
                match fields.last_mut().filter(|_| open) {
                    Some(last) => {
                        let joined = last.then(&value);
                        *last = joined;
                    }
                    None => fields.push(value),
                }
                open = true;
                continue;
            }
            let spaced = |value: &Value| {
                value.texts().iter().any(|text| {
                    text.pieces.iter().any(
                        |piece| matches!(piece, Piece::Text(text) if text.contains([' ', '\t', '\n'])),
                    )
                })
            };
            if !spaced(&value) {
                if value.known() == Some("") {
                    continue;
                }
                match fields.last_mut().filter(|_| open) {
                    Some(last) => {
                        let joined = last.then(&value);
                        *last = joined;
                    }
                    None => fields.push(value),
                }
                open = true;
                continue;
            }
            let ends = |text: &Text, first: bool| {
                let edge = if first {
                    text.pieces.first()
                } else {
                    text.pieces.last()
                };
                matches!(edge, Some(Piece::Text(text)) if if first {
                    text.starts_with([' ', '\t', '\n'])
                } else {
                    text.ends_with([' ', '\t', '\n'])
                })
            };
            for text in value.texts() {
                open &= !ends(text, true);
                for (index, field) in text.fields().into_iter().enumerate() {
                    let field = Value::of(vec![field]);
                    match fields.last_mut().filter(|_| open && index == 0) {
                        Some(last) => *last = last.then(&field),
                        None => fields.push(field),
                    }
                    open = true;
                }
                open &= !ends(text, false);
                if value.texts().len() > 1 {
                    open = false;
                }
            }
            if fields.len() > MAX_FIELDS {
                fields.truncate(MAX_FIELDS);
                self.unclear(word.span, "it has too many words");
                break;
            }
        }
        let mut found = Vec::with_capacity(fields.len());
        for value in fields {
            let known = (self.dialect == Dialect::Bash && word.parts.len() == 1)
                .then(|| word.bare())
                .flatten();
            match known.and_then(braces) {
                Some(several) => found.extend(several.into_iter().map(|text| Field {
                    value: Value::literal(text),
                    span: word.span,
                })),
                None => found.push(Field {
                    value,
                    span: word.span,
                }),
            }
        }
        found
    }

    /// The word as a pattern; `None` if there is a hole in it.
    pub fn pattern(&mut self, word: &Word) -> Option<Vec<Glob>> {
        let mut parts = Vec::new();
        for part in &word.parts {
            let quoted = match part {
                Part::Text { quoted, .. }
                | Part::Param { quoted, .. }
                | Part::Command { quoted, .. } => *quoted,
                Part::Process(_) | Part::Arithmetic => return None,
            };
            let value = self.part(part);
            parts.push((value.known()?.to_owned(), quoted));
        }
        Some(pattern::compile(&parts))
    }

    fn param(&mut self, param: &Param) -> Value {
        let name = param.name.as_str();
        let shown = format!("${{{name}}}");
        let own = self.lookup(name);
        let value = own.clone().unwrap_or_else(|| Value::unknown(&shown));
        match &param.op {
            Op::None => value,
            Op::Default { op, colon, word } => {
                // Whether it counts as set; `None`: nobody can tell.
                let set = own.as_ref().and_then(|value| {
                    if !*colon {
                        return Some(true);
                    }
                    let mut empty = value.texts().iter().map(|text| match text.known() {
                        Some(text) => Some(text.is_empty()),
                        // A hole beside a text is not empty.
                        None => (text.pieces.len() > 1).then_some(false),
                    });
                    let first = empty.next().flatten()?;
                    empty.all(|other| other == Some(first)).then_some(!first)
                });
                match (*op, set) {
                    (b'?', _) | (b'-' | b'=', Some(true)) => value,
                    (b'+', Some(false)) => Value::default(),
                    (op, set) => {
                        let other = self.single(word);
                        let result = match (op, set) {
                            (b'+', Some(_)) => other,
                            (b'+', None) => Value::default().or(&other),
                            (_, Some(_)) => other,
                            (_, None) => value.or(&other),
                        };
                        if op == b'=' {
                            self.assign(name, result.clone());
                        }
                        result
                    }
                }
            }
            Op::Strip {
                suffix,
                longest,
                pattern,
            } => {
                let Some(globs) = self.pattern(pattern) else {
                    return Value::unknown(shown);
                };
                self.spend(value.length().saturating_mul(4));
                value.map(&shown, |text| strip(&globs, text, *suffix, *longest))
            }
            Op::Replace {
                kind,
                pattern,
                with,
            } => {
                let with = self.single(with);
                let globs = self.pattern(pattern);
                self.spend(value.length().saturating_mul(16));
                match (globs, with.known()) {
                    (Some(globs), Some(with)) => value.map(&shown, |text| {
                        pattern::replace(&globs, text.known()?, with, *kind).map(Text::literal)
                    }),
                    _ => Value::unknown(shown),
                }
            }
            Op::Slice { offset, length } => {
                let number = |value: Value| value.known()?.trim().parse::<i64>().ok();
                let from = number(self.single(offset));
                let count = length.as_ref().map(|word| number(self.single(word)));
                value.map(&shown, |text| {
                    let chars: Vec<char> = text.known()?.chars().collect();
                    let from = match usize::try_from(from?) {
                        Ok(from) => from,
                        Err(_) => chars
                            .len()
                            .checked_sub(usize::try_from(from?.unsigned_abs()).ok()?)?,
                    };
                    let count = match count {
                        None => usize::MAX,
                        Some(count) => usize::try_from(count?).ok()?,
                    };
                    let kept: String = chars.into_iter().skip(from).take(count).collect();
                    Some(Text::literal(kept))
                })
            }
            Op::Case { upper, all } => value.map(&shown, |text| {
                let text = text.known()?;
                let change = |c: char| {
                    if *upper {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    }
                };
                let changed: String = text
                    .chars()
                    .enumerate()
                    .map(|(index, c)| if *all || index == 0 { change(c) } else { c })
                    .collect();
                Some(Text::literal(changed))
            }),
            Op::Length => value.map(&format!("${{#{name}}}"), |text| {
                Some(Text::literal(text.known()?.chars().count().to_string()))
            }),
            Op::Other => Value::unknown(shown),
        }
    }
}

/// Strips a text with holes, if what is stripped touches none.
fn strip(globs: &[Glob], text: &Text, suffix: bool, longest: bool) -> Option<Text> {
    if let Some(known) = text.known() {
        return Some(Text::literal(pattern::strip(globs, known, suffix, longest)));
    }
    // The shortest match within the literal end is the shortest of all.
    if longest {
        return None;
    }
    let edge = if suffix { text.suffix() } else { text.prefix() };
    let kept = pattern::strip(globs, edge, suffix, false);
    if kept.len() == edge.len() {
        return None;
    }
    let mut pieces = text.pieces.clone();
    let slot = if suffix {
        pieces.last_mut()
    } else {
        pieces.first_mut()
    };
    *slot? = Piece::Text(kept.to_owned());
    Some(Text { pieces })
}

/// `a{b,c}d` as bash spreads it, one level deep.
fn braces(text: &str) -> Option<Vec<String>> {
    let (before, rest) = text.split_once('{')?;
    let (inner, after) = rest.split_once('}')?;
    if !inner.contains(',') || inner.contains('{') || after.contains('{') {
        return None;
    }
    Some(
        inner
            .split(',')
            .map(|part| format!("{before}{part}{after}"))
            .collect(),
    )
}
