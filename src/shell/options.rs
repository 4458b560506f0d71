//! The options of a command, as `getopt_long` reads them, by a table of those that take a value.

use super::{Span, value::Value};

/// A word of a command, expanded.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub value: Value,
    pub span: Span,
}

impl Field {
    pub fn known(&self) -> Option<&str> {
        self.value.known()
    }

    /// For people.
    pub fn shown(&self) -> String {
        self.value.shown()
    }
}

/// How options are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `-abc`, `-o value`, `--long=value`
    Gnu,
    /// `-long value`, `-long=value`
    Single,
}

/// The options that take a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub style: Style,
    /// Letters.
    pub short: &'static str,
    /// Names without dashes.
    pub long: &'static [&'static str],
}

/// None takes a value.
pub(super) const FLAGS: Options = Options {
    style: Style::Gnu,
    short: "",
    long: &[],
};

/// One option as given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Without dashes.
    pub name: String,
    pub value: Option<Value>,
    pub span: Span,
}

/// A command's words, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Sorted {
    pub options: Vec<Given>,
    pub operands: Vec<Field>,
}

impl Options {
    /// Sorts the words behind the command's name. With `stop` the first operand ends the options.
    pub fn sort(&self, words: &[Field], stop: bool) -> Sorted {
        let mut sorted = Sorted::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let first = word.value.texts().first();
            let text = first.map(|text| text.prefix()).unwrap_or_default();
            if text == "--" && word.known().is_some() {
                sorted.operands.extend(words.cloned());
                break;
            }
            if !text.starts_with('-') || text == "-" {
                if stop {
                    sorted.operands.push(word.clone());
                    sorted.operands.extend(words.cloned());
                    break;
                }
                sorted.operands.push(word.clone());
                continue;
            }
            let long = text.strip_prefix("--").or_else(|| {
                text.strip_prefix('-')
                    .filter(|_| self.style == Style::Single)
            });
            if let Some(name) = long {
                let (name, joined) = match name.split_once('=') {
                    Some((name, _)) => (name, true),
                    None => (name, false),
                };
                let value = if joined {
                    Some(behind(&word.value, '='))
                } else if self.long.contains(&name) {
                    words.next().map(|next| next.value.clone())
                } else {
                    None
                };
                sorted.options.push(Given {
                    name: name.to_owned(),
                    value,
                    span: word.span,
                });
                continue;
            }
            self.cluster(word, text, &mut words, &mut sorted);
        }
        sorted
    }

    fn cluster<'w>(
        &self,
        word: &Field,
        text: &str,
        words: &mut impl Iterator<Item = &'w Field>,
        sorted: &mut Sorted,
    ) {
        let letters = text.get(1..).unwrap_or_default();
        for (at, letter) in letters.char_indices() {
            let mut value = None;
            let takes = self.short.contains(letter);
            if takes {
                let from = at.saturating_add(letter.len_utf8()).saturating_add(1);
                let rest = cut(&word.value, from);
                value = if rest.known() == Some("") {
                    words.next().map(|next| next.value.clone())
                } else {
                    Some(rest)
                };
            }
            sorted.options.push(Given {
                name: letter.to_string(),
                value,
                span: word.span,
            });
            if takes {
                break;
            }
        }
    }
}

/// What is behind the first `mark`.
pub(super) fn behind(value: &Value, mark: char) -> Value {
    let at = value
        .texts()
        .first()
        .and_then(|text| text.prefix().find(mark))
        .map_or(0, |at| at.saturating_add(mark.len_utf8()));
    cut(value, at)
}

/// Without its first `from` bytes.
fn cut(value: &Value, from: usize) -> Value {
    use super::value::{Piece, Text};
    value.map("...", |text| {
        let mut out = Text::default();
        for (index, piece) in text.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) if index == 0 => {
                    out.push(&Piece::Text(text.get(from..)?.to_owned()));
                }
                other => out.push(other),
            }
        }
        Some(out)
    })
}

impl Sorted {
    /// Whether one of `names` is given, and not as `--name=false`.
    pub fn has(&self, names: &[&str]) -> bool {
        self.given(names).is_some()
    }

    pub fn given(&self, names: &[&str]) -> Option<&Given> {
        self.options.iter().find(|given| {
            names.contains(&given.name.as_str())
                && !matches!(
                    given.value.as_ref().and_then(Value::known),
                    Some("false" | "no" | "0")
                )
        })
    }

    /// The last value of one of `names`.
    pub fn value(&self, names: &[&str]) -> Option<&Value> {
        self.values(names).last()
    }

    pub fn values(&self, names: &[&str]) -> impl Iterator<Item = &Value> {
        self.options
            .iter()
            .filter(|given| names.contains(&given.name.as_str()))
            .filter_map(|given| given.value.as_ref())
    }

    /// The operand with that index, if it is known.
    pub fn operand(&self, index: usize) -> Option<&str> {
        self.operands.get(index).and_then(Field::known)
    }

    /// The operands from that index on, for people.
    pub fn rest(&self, from: usize) -> Vec<String> {
        self.operands
            .iter()
            .skip(from)
            .flat_map(|field| field.value.texts())
            .map(super::value::Text::shown)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(words: &[&str]) -> Vec<Field> {
        words
            .iter()
            .map(|word| Field {
                value: Value::literal(*word),
                span: Span::default(),
            })
            .collect()
    }

    #[test]
    fn options_are_sorted_as_getopt_does() {
        let options = Options {
            style: Style::Gnu,
            short: "oH",
            long: &["output"],
        };
        let words = fields(&[
            "-fsSLo",
            "file",
            "a",
            "-ofile2",
            "--output=x",
            "--output",
            "y",
            "--flag",
            "-",
            "--",
            "-k",
        ]);
        let sorted = options.sort(&words, false);
        assert_eq!(sorted.rest(0), ["a", "-", "-k"]);
        let values: Vec<_> = sorted.values(&["o", "output"]).map(Value::shown).collect();
        assert_eq!(values, ["file", "file2", "x", "y"]);
        assert!(sorted.has(&["L"]) && sorted.has(&["flag"]) && !sorted.has(&["k"]));
        let stopped = options.sort(&fields(&["-f", "a", "-k"]), true);
        assert_eq!(stopped.rest(0), ["a", "-k"]);
        let single = Options {
            style: Style::Single,
            short: "",
            long: &["tags"],
        };
        let sorted = single.sort(&fields(&["-tags", "x", "-v", "-o=y", "./..."]), false);
        assert_eq!(sorted.rest(0), ["./..."]);
        assert_eq!(sorted.value(&["tags"]).unwrap().shown(), "x");
    }
}
