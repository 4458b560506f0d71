//! A Sigstore instance of the tests' own: certificate authority, certificate transparency log and Rekor, and what they would make.
//!
//! Its keys are known to everyone, so nothing but a test may trust it. That it is like a real one shows cosign, which verifies what
//! it made.
//!
//! Source: RFC 5280 (certificates), RFC 6962 sections 3.2 and 3.3 (signed certificate timestamps), Fulcio's `docs/oid-info.md`, Rekor's
//! `openapi.yaml` and `types/{hashedrekord,dsse}`, `sigstore_bundle.proto`, `sigstore_trustroot.proto`, C2SP's `tlog-checkpoint`.

use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding as _, LineEnding};
use engine::Result;
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::{EncodePrivateKey as _, EncodePublicKey as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::ObjectIdentifier;

/// Who vouches for identities.
pub const ISSUER: &str = "https://token.example.com";
/// Who signs.
pub const IDENTITY: &str =
    "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1";
/// Where it is built from.
pub const SOURCE: &str = "https://git.example.com/acme/app";
/// Of which ref.
pub const REF: &str = "refs/tags/v1";

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "application/vnd.in-toto+json";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
/// Validity of certificates, in seconds before and after now.
const BEFORE: u64 = 60;
const AFTER: u64 = 540;

/// The instance: all of its keys follow from one number.
pub struct Instance {
    root: Authority,
    middle: Authority,
    certificate_log: SigningKey,
    rekor: SigningKey,
    now: u64,
}

/// A key with its certificate.
pub struct Authority {
    name: &'static str,
    key: SigningKey,
    certificate: Vec<u8>,
}

/// A signature with all that proves who made it and when.
pub struct Signed {
    certificate: Vec<u8>,
    signature: Vec<u8>,
    body: Vec<u8>,
    kind: &'static str,
    promise: Vec<u8>,
    now: u64,
}

impl Authority {
    /// A root.
    pub fn root(name: &'static str, number: u8, now: u64) -> Result<Self> {
        let key = key(number)?;
        let certificate = Certificate {
            subject: name,
            issuer: name,
            until: now + 86_400,
            from: now - 86_400,
            extensions: authority(),
        };
        let certificate = certificate.sign(&key, &key)?;
        Ok(Self {
            name,
            key,
            certificate,
        })
    }

    /// A certificate by this authority, for signing only.
    pub fn certify(&self, subject: &'static str, number: u8, now: u64) -> Result<Self> {
        let key = key(number)?;
        let certificate = Certificate {
            subject,
            issuer: self.name,
            from: now - BEFORE,
            until: now + AFTER,
            extensions: leaf(),
        };
        let certificate = certificate.sign(&key, &self.key)?;
        Ok(Self {
            name: subject,
            key,
            certificate,
        })
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The secret key in PEM (PKCS #8).
    pub fn secret(&self) -> Result<String> {
        let key = p256::SecretKey::from(self.key.clone());
        Ok(key.to_pkcs8_pem(p256::pkcs8::LineEnding::LF)?.to_string())
    }
}

impl Instance {
    /// The instance with this number.
    pub fn new(number: u8) -> Result<Self> {
        let now = now()?;
        let root = Authority::root("root", number, now)?;
        let middle = key(number + 1)?;
        let mut extensions = authority();
        extensions.push(extension(
            "2.5.29.37",
            false,
            &tlv(0x30, &[&oid(CODE_SIGNING)]),
        ));
        let certificate = Certificate {
            subject: "intermediate",
            issuer: root.name,
            from: now - 86_400,
            until: now + 86_400,
            extensions,
        };
        let certificate = certificate.sign(&middle, &root.key)?;
        Ok(Self {
            root,
            middle: Authority {
                name: "intermediate",
                key: middle,
                certificate,
            },
            certificate_log: key(number + 2)?,
            rekor: key(number + 3)?,
            now,
        })
    }

    /// Its `trusted_root.json`.
    pub fn trusted_root(&self) -> Result<Vec<u8>> {
        let window = json!({ "start": "2020-01-01T00:00:00Z" });
        let log = |url: &str, key: &SigningKey| -> Result<Value> {
            let der = public(key)?;
            Ok(json!({
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": { "rawBytes": b64(&der), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": window },
                "logId": { "keyId": b64(&sha256(&der)) },
            }))
        };
        let chain =
            [&self.middle, &self.root].map(|one| json!({ "rawBytes": b64(&one.certificate) }));
        Ok(serde_json::to_vec(&json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log("https://rekor.example.com", &self.rekor)?],
            "ctlogs": [log("https://ct.example.com", &self.certificate_log)?],
            "certificateAuthorities": [{
                "subject": { "organization": "example.com", "commonName": "fulcio" },
                "uri": "https://fulcio.example.com",
                "certChain": { "certificates": chain },
                "validFor": window,
            }],
        }))?)
    }

    /// A DSSE envelope around an in-toto statement, as a bundle.
    pub fn attest(&self, statement: &Value) -> Result<Vec<u8>> {
        let payload = serde_json::to_vec(statement)?;
        let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len());
        let signed = self.sign(&[head.as_bytes(), &payload].concat(), Some(&payload))?;
        let envelope: Value = serde_json::from_slice(&envelope(&payload, &signed.signature)?)?;
        Ok(serde_json::to_vec(&json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": { "rawBytes": b64(&signed.certificate) },
                "tlogEntries": [self.entry(&signed)?],
            },
            "dsseEnvelope": envelope,
        }))?)
    }

    /// A DSSE envelope as cosign before version 3 attaches it: the envelope, and the annotations of its layer.
    pub fn attest_older(&self, statement: &Value) -> Result<(Vec<u8>, Value)> {
        let payload = serde_json::to_vec(statement)?;
        let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len());
        let signed = self.sign(&[head.as_bytes(), &payload].concat(), Some(&payload))?;
        let mut annotations = self.annotations(&signed)?;
        annotations["dev.cosignproject.cosign/signature"] = "".into();
        Ok((envelope(&payload, &signed.signature)?, annotations))
    }

    /// A signature over `payload` as cosign before version 3 attaches it: the annotations of the layer.
    pub fn sign_older(&self, payload: &[u8]) -> Result<Value> {
        let signed = self.sign(payload, None)?;
        self.annotations(&signed)
    }

    /// Signs `message`; `payload` is what the envelope is around, if it is one.
    fn sign(&self, message: &[u8], payload: Option<&[u8]>) -> Result<Signed> {
        let signer = key(99)?;
        let certificate = self.certificate(&signer)?;
        let signature = sign(&signer, message);
        let verifier = b64(pem("CERTIFICATE", &certificate).as_bytes());
        let (kind, spec) = match payload {
            None => (
                "hashedrekord",
                json!({
                    "data": { "hash": { "algorithm": "sha256", "value": hex(&sha256(message)) } },
                    "signature": { "content": b64(&signature), "publicKey": { "content": verifier } },
                }),
            ),
            Some(payload) => (
                "dsse",
                json!({
                    "envelopeHash": { "algorithm": "sha256", "value": hex(&sha256(&envelope(payload, &signature)?)) },
                    "payloadHash": { "algorithm": "sha256", "value": hex(&sha256(payload)) },
                    "signatures": [{ "signature": b64(&signature), "verifier": verifier }],
                }),
            ),
        };
        // Maps of serde_json are sorted, as canonical JSON wants them.
        let body =
            serde_json::to_vec(&json!({ "apiVersion": "0.0.1", "kind": kind, "spec": spec }))?;
        let promise = json!({
            "body": b64(&body),
            "integratedTime": self.now,
            "logID": hex(&sha256(&public(&self.rekor)?)),
            "logIndex": 0,
        });
        Ok(Signed {
            certificate,
            signature,
            body,
            kind,
            promise: sign(&self.rekor, &serde_json::to_vec(&promise)?),
            now: self.now,
        })
    }

    /// The certificate of a signer, with a timestamp of the certificate transparency log in it.
    fn certificate(&self, signer: &SigningKey) -> Result<Vec<u8>> {
        let mut extensions = leaf();
        let name = tlv(0x30, &[&tlv(0x86, &[IDENTITY.as_bytes()])]);
        extensions.push(extension("2.5.29.17", true, &name));
        // The first is what the eighth was before, without an encoding of its own.
        for (number, text) in [(1, ISSUER), (8, ISSUER), (12, SOURCE), (14, REF)] {
            let text = match number {
                1 => text.as_bytes().to_vec(),
                _ => tlv(0x0c, &[text.as_bytes()]),
            };
            extensions.push(extension(
                &format!("1.3.6.1.4.1.57264.1.{number}"),
                false,
                &text,
            ));
        }
        let mut certificate = Certificate {
            subject: "",
            issuer: self.middle.name,
            from: self.now - BEFORE,
            until: self.now + AFTER,
            extensions,
        };
        let before = certificate.content(signer, &self.middle.key)?;
        let time = ((self.now - BEFORE) * 1000).to_be_bytes();
        let length = u32::try_from(before.len())?.to_be_bytes();
        let authority = sha256(&public(&self.middle.key)?);
        let over = [
            &[0, 0],
            &time[..],
            &[0, 1],
            &authority,
            &length[1..],
            &before,
            &[0, 0],
        ]
        .concat();
        let signature = sign(&self.certificate_log, &over);
        let log = sha256(&public(&self.certificate_log)?);
        let signature = sized(&signature)?;
        let stamp = [&[0], &log[..], &time, &[0, 0, 4, 3], &signature].concat();
        let list = tlv(0x04, &[&sized(&sized(&stamp)?)?]);
        certificate
            .extensions
            .push(extension("1.3.6.1.4.1.11129.2.4.2", false, &list));
        certificate.sign(signer, &self.middle.key)
    }

    /// The log entry in a bundle; the log has this one only.
    fn entry(&self, signed: &Signed) -> Result<Value> {
        let id = sha256(&public(&self.rekor)?);
        let root = b64(&sha256(&[&[0], &signed.body[..]].concat()));
        let text = format!("rekor.example.com - 1\n1\n{root}\n");
        let signature = [&id[..4], &sign(&self.rekor, text.as_bytes())].concat();
        let checkpoint = format!("{text}\n\u{2014} rekor.example.com {}\n", b64(&signature));
        Ok(json!({
            "logIndex": "0",
            "logId": { "keyId": b64(&id) },
            "kindVersion": { "kind": signed.kind, "version": "0.0.1" },
            "integratedTime": signed.now.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": b64(&signed.promise) },
            "inclusionProof": {
                "logIndex": "0", "rootHash": root, "treeSize": "1", "hashes": [], "checkpoint": { "envelope": checkpoint },
            },
            "canonicalizedBody": b64(&signed.body),
        }))
    }

    fn annotations(&self, signed: &Signed) -> Result<Value> {
        let chain = format!("{}{}", self.middle.pem(), self.root.pem());
        let log = json!({
            "SignedEntryTimestamp": b64(&signed.promise),
            "Payload": {
                "body": b64(&signed.body),
                "integratedTime": signed.now,
                "logIndex": 0,
                "logID": hex(&sha256(&public(&self.rekor)?)),
            },
        });
        Ok(json!({
            "dev.cosignproject.cosign/signature": b64(&signed.signature),
            "dev.sigstore.cosign/certificate": pem("CERTIFICATE", &signed.certificate),
            "dev.sigstore.cosign/chain": chain,
            "dev.sigstore.cosign/bundle": log.to_string(),
        }))
    }
}

/// A DSSE envelope.
fn envelope(payload: &[u8], signature: &[u8]) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&json!({
        "payloadType": STATEMENT,
        "payload": b64(payload),
        "signatures": [{ "sig": b64(signature) }],
    }))?)
}

/// cosign's statement that an image is signed, or SLSA provenance of it.
pub fn statement(digest: &str, provenance: bool) -> Result<Value> {
    let (algorithm, hex) = digest.split_once(':').ok_or("no digest")?;
    let (kind, predicate) = if provenance {
        let parameters = json!({ "workflow": { "repository": SOURCE, "ref": REF, "path": ".github/workflows/release.yml" } });
        (
            "https://slsa.dev/provenance/v1",
            json!({
                "buildDefinition": {
                    "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                    "externalParameters": parameters,
                },
                "runDetails": { "builder": { "id": IDENTITY } },
            }),
        )
    } else {
        ("https://sigstore.dev/cosign/sign/v1", json!({}))
    };
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "subject", "digest": { algorithm: hex } }],
        "predicateType": kind,
        "predicate": predicate,
    }))
}

/// What is in a certificate besides keys.
struct Certificate {
    subject: &'static str,
    issuer: &'static str,
    from: u64,
    until: u64,
    extensions: Vec<Vec<u8>>,
}

impl Certificate {
    fn sign(&self, of: &SigningKey, by: &SigningKey) -> Result<Vec<u8>> {
        let content = self.content(of, by)?;
        let signature = tlv(0x03, &[&[0], &sign(by, &content)]);
        Ok(tlv(
            0x30,
            &[&content, &tlv(0x30, &[&oid(ECDSA_SHA256)]), &signature],
        ))
    }

    /// What is signed.
    fn content(&self, of: &SigningKey, by: &SigningKey) -> Result<Vec<u8>> {
        let (of, by) = (public(of)?, public(by)?);
        let time = |seconds: u64| -> Result<Vec<u8>> {
            let time = jiff::Timestamp::from_second(i64::try_from(seconds)?)?;
            Ok(tlv(
                0x17,
                &[time.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()],
            ))
        };
        let mut extensions = self.extensions.clone();
        extensions.push(extension(
            "2.5.29.14",
            false,
            &tlv(0x04, &[&sha256(&of)[..20]]),
        ));
        let above = tlv(0x30, &[&tlv(0x80, &[&sha256(&by)[..20]])]);
        extensions.push(extension("2.5.29.35", false, &above));
        let serial = sha256(&[&of, self.subject.as_bytes()].concat());
        Ok(tlv(
            0x30,
            &[
                &tlv(0xa0, &[&tlv(0x02, &[&[2]])]),
                &tlv(0x02, &[&[1], &serial[..8]]),
                &tlv(0x30, &[&oid(ECDSA_SHA256)]),
                &name(self.issuer),
                &tlv(0x30, &[&time(self.from)?, &time(self.until)?]),
                &name(self.subject),
                &of,
                &tlv(0xa3, &[&tlv(0x30, &[&extensions.concat()])]),
            ],
        ))
    }
}

/// Basic constraints and key usage of an authority.
fn authority() -> Vec<Vec<u8>> {
    vec![
        extension("2.5.29.19", true, &tlv(0x30, &[&[0x01, 0x01, 0xff]])),
        extension("2.5.29.15", true, &[0x03, 0x02, 0x01, 0x06]),
    ]
}

/// Key usages of a signer.
fn leaf() -> Vec<Vec<u8>> {
    vec![
        extension("2.5.29.15", true, &[0x03, 0x02, 0x07, 0x80]),
        extension("2.5.29.37", false, &tlv(0x30, &[&oid(CODE_SIGNING)])),
    ]
}

fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    tlv(0x30, &[&oid(id), critical, &tlv(0x04, &[value])])
}

/// `C=DE, ST=Berlin, O=example.com, CN=...`, which is what Notary v2 wants; empty for a signer of Sigstore's.
fn name(common: &str) -> Vec<u8> {
    let parts = [
        ("2.5.4.6", "DE"),
        ("2.5.4.8", "Berlin"),
        ("2.5.4.10", "example.com"),
        ("2.5.4.3", common),
    ];
    let parts = parts.map(|(id, text)| {
        tlv(
            0x31,
            &[&tlv(0x30, &[&oid(id), &tlv(0x13, &[text.as_bytes()])])],
        )
    });
    let all = if common.is_empty() {
        Vec::new()
    } else {
        parts.concat()
    };
    tlv(0x30, &[&all])
}

/// DER: a tag, the length, and what it is of.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let head = match digits {
        [] => vec![tag, 0],
        [short] if *short < 0x80 => vec![tag, *short],
        long => [
            &[tag, 0x80 | u8::try_from(long.len()).unwrap_or_default()],
            long,
        ]
        .concat(),
    };
    [head, content].concat()
}

fn oid(text: &str) -> Vec<u8> {
    tlv(0x06, &[ObjectIdentifier::new_unwrap(text).as_bytes()])
}

/// With its length in two bytes.
fn sized(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok([&u16::try_from(bytes.len())?.to_be_bytes()[..], bytes].concat())
}

fn key(number: u8) -> Result<SigningKey> {
    Ok(SigningKey::from_slice(&[number; 32])?)
}

fn public(key: &SigningKey) -> Result<Vec<u8>> {
    Ok(key.verifying_key().to_public_key_der()?.into_vec())
}

fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(message);
    signature.to_der().as_bytes().to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    p256::pkcs8::der::pem::encode_string(label, LineEnding::LF, der).unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn b64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Seconds since 1970.
pub fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
