//! Sigstore: bundles and cosign's older signatures, of identities and key pairs.
//!
//! | member | what it says |
//! | --- | --- |
//! | `kind` | `"cosign"`: the proof is the older format, a JSON object with `payload`, `signature` and annotations |
//! | `roots` | the instance's `trusted_root.json`; for a key pair: its log must have the signature |
//! | `identity`, `issuer` | exact; or else `identity-pattern`, `issuer-pattern` |
//! | `claim` | `"any"` or `"provenance"`; else a signature |
//! | `builder`, `source`, `ref` | what provenance has to say; `source-pattern`, `ref-pattern` |

use serde::Deserialize;
use verified_dockerfile::verify::{
    PublicKey, Signer, bundle, cosign,
    sigstore::{By, Claim, Identity, Key, Matcher, Provenance, Roots},
};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: "sigstore",
    members: &[
        "kind",
        "roots",
        "identity",
        "issuer",
        "identity-pattern",
        "issuer-pattern",
        "claim",
        "builder",
        "source",
        "ref",
        "source-pattern",
        "ref-pattern",
    ],
    run,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Older {
    payload: String,
    signature: String,
    certificate: Option<String>,
    log: Option<String>,
    timestamp: Option<String>,
}

fn run(case: &Case) -> Result<Signer, String> {
    let roots = match case.optional_file("roots") {
        Some(bytes) => Some(Roots::parse(&bytes).map_err(|error| error.to_string())?),
        None => None,
    };
    let by = match case.optional_file("key") {
        Some(pem) => By::PublicKey {
            key: PublicKey::from_pem(std::str::from_utf8(&pem).unwrap())
                .map_err(|error| error.to_string())?,
            log: roots,
        },
        None => By::Identity {
            identity: identity(case)?.expect("`identity`"),
            roots: roots.expect("`roots`"),
        },
    };
    let claim = match case.text("claim") {
        None => Claim::Signature,
        Some("any") => Claim::Any,
        Some("provenance") => Claim::Provenance(Provenance {
            builder: matcher(case, "builder")?,
            source: matcher(case, "source")?,
            reference: matcher(case, "ref")?,
        }),
        Some(other) => panic!("`claim`: {other}"),
    };
    let key = Key { by, claim };
    let (subject, proof, at) = (case.subject(), case.file("proof"), case.at());
    match case.text("kind") {
        None => bundle::verify(&subject.artifact(), &proof, &key, at),
        Some("cosign") => {
            let older: Older = serde_json::from_slice(&proof).unwrap();
            let signature = cosign::Signature {
                payload: base64(&older.payload),
                signature: older.signature,
                certificate: older.certificate,
                log: older.log,
                timestamp: older.timestamp,
            };
            cosign::verify(&subject.artifact(), &signature, &key, at)
        }
        Some(other) => panic!("`kind`: {other}"),
    }
    .map_err(|error| error.to_string())
}

/// The identity that the case names, if it names one.
pub fn identity(case: &Case) -> Result<Option<Identity>, String> {
    let Some(subject) = matcher(case, "identity")? else {
        return Ok(None);
    };
    let issuer = matcher(case, "issuer")?.expect("`issuer`");
    let identity = Identity::new(issuer, subject).map_err(|error| error.to_string())?;
    Ok(Some(identity))
}

/// The member as an exact value, or that with `-pattern` as a pattern.
fn matcher(case: &Case, member: &str) -> Result<Option<Matcher>, String> {
    let pattern = case.text(&format!("{member}-pattern"));
    let matcher = match (case.text(member), pattern) {
        (Some(text), _) => Matcher::exact(text),
        (None, Some(text)) => Matcher::pattern(text),
        (None, None) => return Ok(None),
    };
    matcher.map(Some).map_err(|error| error.to_string())
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
