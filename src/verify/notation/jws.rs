//! The JWS envelope: flattened JSON serialization (RFC 7515 section 7.2.2).
//!
//! Source: `signature-envelope-jws.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{base64, json, shown},
    AUTHENTIC_TIME, EXPIRY, Envelope, Failure, Headers, MAX_ENVELOPE, SCHEME, SIGNING_TIME, Scheme,
    chain, form,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jws {
    payload: String,
    protected: String,
    header: Unprotected,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unprotected {
    x5c: Vec<String>,
    #[serde(rename = "io.cncf.notary.timestampSignature")]
    timestamp: Option<String>,
    /// For people who look for a fault; nothing is made of it.
    #[serde(rename = "io.cncf.notary.signingAgent", default)]
    _agent: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, Failure> {
    let jws: Jws = json::read(bytes, MAX_ENVELOPE).map_err(|error| form(&error.to_string()))?;
    let headers = headers(&base64url(&jws.protected)?)?;
    if jws.header.x5c.len() > chain::MAX_CHAIN {
        return Err(form("more than 8 certificates"));
    }
    let certificates = jws.header.x5c.iter();
    Ok(Envelope {
        headers,
        certificates: certificates
            .map(|text| chain::read(&base64("certificate", text)?))
            .collect::<Result<_, _>>()?,
        timestamp: jws
            .header
            .timestamp
            .map(|text| base64("timestamp", &text))
            .transpose()?,
        payload: base64url(&jws.payload)?,
        signature: base64url(&jws.signature)?,
        signed: format!("{}.{}", jws.protected, jws.payload).into_bytes(),
    })
}

fn base64url(text: &str) -> Result<Vec<u8>, Failure> {
    use base64ct::Encoding as _;
    base64ct::Base64UrlUnpadded::decode_vec(text)
        .map_err(|_| form("a part is no base64url (RFC 4648 section 5, without padding)"))
}

fn headers(bytes: &[u8]) -> Result<Headers, Failure> {
    let mut map: BTreeMap<String, Value> =
        json::read(bytes, MAX_ENVELOPE).map_err(|error| form(&error.to_string()))?;
    let mut text = |name: &str| match map.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(form(&format!("the header `{name}` is no text"))),
    };
    let time = |name: &str, text: Option<String>| {
        let wrong = |_| form(&format!("the header `{name}` is no time"));
        text.map(|text| text.parse().map_err(wrong)).transpose()
    };
    let headers = Headers {
        algorithm: text("alg")?.ok_or_else(|| form("no header `alg`"))?,
        content_type: text("cty")?.ok_or_else(|| form("no header `cty`"))?,
        scheme: Scheme::parse(text(SCHEME)?.as_deref())?,
        signing_time: time(SIGNING_TIME, text(SIGNING_TIME)?)?,
        authentic_time: time(AUTHENTIC_TIME, text(AUTHENTIC_TIME)?)?,
        expiry: time(EXPIRY, text(EXPIRY)?)?,
    };
    let Some(Value::Array(critical)) = map.remove("crit") else {
        return Err(form("no list `crit` of critical headers"));
    };
    let critical: Option<Vec<&str>> = critical.iter().map(Value::as_str).collect();
    let critical = critical.ok_or_else(|| form("`crit` is no list of names"))?;
    let critical: Vec<_> = critical.iter().map(|name| shown(name)).collect();
    headers.check(&critical)?;
    Headers::check_names(map.keys().map(String::as_str))?;
    Ok(headers)
}
