//! Notary v2: `key` is the trust store. Members `store` (`"signingAuthority"`), `identity` and `tsa` (roots of time stamp authorities), as the
//! policy names them; `chain` (certificates) and `token` (a timestamp) put other unsigned headers into a JWS envelope.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use verified_dockerfile::verify::{
    Failure, Signer,
    notation::{self, Key, Proof, Store},
};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: notation::KIND,
    members: &["store", "identity", "tsa", "chain", "token"],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    verify(case).map_err(|error| error.to_string())
}

fn verify(case: &Case) -> Result<Signer, Failure> {
    let store = match case.text("store") {
        None => Store::Ca,
        Some("signingAuthority") => Store::SigningAuthority,
        Some(other) => panic!("`store`: {other}"),
    };
    let identity = case.text("identity").unwrap_or("*");
    let mut key = Key::parse(&case.file_text("key"), store, identity)?;
    if case.text("tsa").is_some() {
        key = key.with_timestamps(&case.file_text("tsa"))?;
    }
    let mut bytes = case.file("proof");
    if let Some(names) = case.text("chain") {
        let chain: Vec<String> = names
            .split_whitespace()
            .map(|name| der(case, name))
            .collect();
        bytes = with_header(&bytes, "x5c", chain.into());
    }
    if let Some(token) = case.optional_file("token") {
        let token = STANDARD.encode(token);
        bytes = with_header(&bytes, "io.cncf.notary.timestampSignature", token.into());
    }
    let media_type = match case.text("proof").unwrap().rsplit('.').next() {
        Some("jws") => notation::JWS,
        Some("cose") => notation::COSE,
        other => panic!("`proof`: {other:?}"),
    };
    let proof = Proof::new(media_type, bytes).unwrap();
    notation::verify(&case.subject().artifact(), &proof, &key, case.at())
}

/// The base64 of a certificate's DER, which is what its PEM has.
fn der(case: &Case, name: &str) -> String {
    let pem = String::from_utf8(case.named(name)).unwrap();
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn with_header(envelope: &[u8], name: &str, value: serde_json::Value) -> Vec<u8> {
    let mut envelope: serde_json::Value = serde_json::from_slice(envelope).unwrap();
    assert_ne!(envelope["header"][name], value, "{name} is there already");
    envelope["header"][name] = value;
    envelope.to_string().into_bytes()
}
