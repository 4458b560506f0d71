//! The comma-separated fields of `--mount` and `--device` (`tonistiigi/go-csvvalue`).

/// A field of a CSV line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The field without its quotes.
    pub text: String,
    /// Where in the line its content ends: at the comma, the closing quote or the end.
    pub end: usize,
}

/// Splits a line; `None` where Go's reader refuses it: a quote inside a field, an open quote, an empty line.
pub(crate) fn fields(line: &str) -> Option<Vec<Field>> {
    let line = match line.strip_suffix('\n') {
        Some(rest) => rest.strip_suffix('\r').unwrap_or(rest),
        None => line,
    };
    if line.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = line.get(at..)?;
        let Some(quoted) = rest.strip_prefix('"') else {
            let len = rest.find(',').unwrap_or(rest.len());
            let text = rest.get(..len)?;
            if text.contains('"') {
                return None;
            }
            fields.push(Field {
                text: text.to_owned(),
                end: at + len,
            });
            if len == rest.len() {
                return Some(fields);
            }
            at += len + 1;
            continue;
        };
        let mut text = String::new();
        let mut inner = 0;
        loop {
            let len = quoted.get(inner..)?.find('"')?;
            text.push_str(quoted.get(inner..inner + len)?);
            inner += len + 1;
            match quoted.get(inner..)?.chars().next() {
                Some('"') => {
                    text.push('"');
                    inner += 1;
                }
                Some(',') => {
                    fields.push(Field {
                        text,
                        end: at + inner,
                    });
                    at += inner + 2;
                    break;
                }
                None => {
                    fields.push(Field {
                        text,
                        end: at + inner,
                    });
                    return Some(fields);
                }
                Some(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_like_go() {
        let split = |line: &str| -> Option<Vec<(String, String)>> {
            Some(
                fields(line)?
                    .into_iter()
                    .map(|f| (f.text, line.get(..f.end).unwrap_or_default().to_owned()))
                    .collect(),
            )
        };
        let pair = |text: &str, until: &str| (text.to_owned(), until.to_owned());
        assert_eq!(
            split("a=b,c"),
            Some(vec![pair("a=b", "a=b"), pair("c", "a=b,c")])
        );
        assert_eq!(
            split("\"a=b\",c"),
            Some(vec![pair("a=b", "\"a=b"), pair("c", "\"a=b\",c")])
        );
        assert_eq!(split("\"a,\"\"b\""), Some(vec![pair("a,\"b", "\"a,\"\"b")]));
        assert_eq!(split("a,"), Some(vec![pair("a", "a"), pair("", "a,")]));
        assert_eq!(
            split("\"a\","),
            Some(vec![pair("a", "\"a"), pair("", "\"a\",")])
        );
        for line in ["", "\n", "a\"b", "\"a", "\"a\"b", "\"\"\""] {
            assert_eq!(fields(line), None, "{line:?}");
        }
    }
}
