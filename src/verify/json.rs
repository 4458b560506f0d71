//! JSON that cannot be read in two ways.
//!
//! What is signed must mean the same to every reader, so on top of RFC 8259 no object may name a key twice at any depth, no
//! known object has unknown keys (by `serde(deny_unknown_fields)` on the type read), nothing follows the value, and size and depth are
//! bounded.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Why bytes are not the JSON expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than the limit, which is given.
    #[error("more than {0} bytes")]
    Size(usize),
    /// Not JSON, a key twice, nested too deeply, an unknown or missing key, or a wrong type; the text says which and where.
    #[error("{0}")]
    Form(String),
}

/// Reads `bytes` as one `T`, at most `limit` bytes and 128 levels (serde_json's bound).
///
/// # Errors
/// [`JsonError`], see the module's description.
pub fn read<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, JsonError> {
    if bytes.len() > limit {
        return Err(JsonError::Size(limit));
    }
    let form = |error: serde_json::Error| JsonError::Form(error.to_string());
    serde_json::from_slice::<Unambiguous>(bytes).map_err(form)?;
    serde_json::from_slice(bytes).map_err(form)
}

/// Any JSON object, its content left unread (it was read for duplicates).
#[derive(Debug)]
pub(crate) struct AnyObject;

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = AnyObject;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyObject, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AnyObject)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Any value in which no object has a key twice.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Unambiguous;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unambiguous, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Unambiguous>()?;
            if let Some(key) = seen.replace(key) {
                let key: String = key.chars().take(60).collect();
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
        }
        Ok(Unambiguous)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unambiguous, A::Error> {
        while seq.next_element::<Unambiguous>()?.is_some() {}
        Ok(Unambiguous)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_unit<E>(self) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), JsonError> {
        read::<IgnoredAny>(text.as_bytes(), 10_000).map(|_| ())
    }

    #[test]
    fn one_value_without_repeated_keys_is_read() {
        check(r#" {"a":[1,-2,3.5,"x",null,true,{"a":{}}]} "#).unwrap();
    }

    #[test]
    fn ambiguous_text_is_refused() {
        for (text, reason) in [
            (r#"{"a":1,"a":1}"#, "\"a\" is there twice"),
            (r#"{"a":1,"\u0061":2}"#, "\"a\" is there twice"),
            (r#"[{"b":{"c":1,"c":2}}]"#, "\"c\" is there twice"),
            ("{} {}", "trailing characters"),
            ("", "EOF"),
            (r#"{"a":"#, "EOF"),
            ("{\"a\":\"\u{1}\"}", "control character"),
            (&"[".repeat(2000), "recursion limit"),
        ] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:.40}: {error}");
        }
        assert_eq!(
            read::<IgnoredAny>(b"[1,2]", 4).map(|_| ()),
            Err(JsonError::Size(4))
        );
        assert!(read::<AnyObject>(b"[]", 4).is_err());
    }
}
