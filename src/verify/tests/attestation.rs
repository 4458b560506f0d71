//! An index of two images with BuildKit's attestations, signed with a test key; and what differs from it in one thing. What cosign makes of it is tested end
//! to end.

use base64ct::Encoding as _;
use p256::ecdsa::{SigningKey, signature::Signer as _};
use serde_json::{Value, json};

use super::*;
use crate::verify::{PublicKey, sigstore};

const REPOSITORY: &str = "registry.test/team/app";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SLSA: &str = "https://slsa.dev/provenance/v1";
const SOURCE: &str = "https://git.example.com/acme/app";

/// What is changed before everything is put together; each is one case.
#[derive(Clone)]
struct World {
    /// By image: the statements about it.
    statements: [Value; 2],
    /// By image: its attestation manifest, without layers.
    manifests: [Value; 2],
    /// The entries, without digests.
    entries: Vec<(Value, Of)>,
    index: Value,
    /// By image: which repository its signature names, if there is one.
    signed: [Option<&'static str>; 2],
    documents: fn(&mut Attestations),
    /// Signatures of images rather than of attestation manifests.
    images_signed: bool,
    alone: bool,
    policy: &'static str,
}

/// What an entry is about.
#[derive(Clone, Copy)]
enum Of {
    Image(usize),
    Attestation(usize),
}

fn image(number: usize) -> Digest {
    Digest::sha256(format!("image {number}").as_bytes())
}

fn world() -> World {
    let statement = |number| {
        json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{ "name": "pkg:docker/app@1", "digest": { "sha256": image(number).hex() } }],
            "predicateType": SLSA,
            "predicate": {
                "buildDefinition": { "externalParameters": { "configSource": { "uri": format!("{SOURCE}.git#refs/tags/v1") } } },
                "runDetails": { "builder": { "id": "https://ci.example.com" } },
            },
        })
    };
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": {} });
    let entry = |os: &str, arch: &str| json!({ "mediaType": MANIFEST, "size": 1, "platform": { "os": os, "architecture": arch } });
    let attestation = |number| {
        let mut entry = entry("unknown", "unknown");
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image(number).to_string(),
        });
        entry
    };
    World {
        statements: [statement(0), statement(1)],
        manifests: [manifest.clone(), manifest],
        entries: vec![
            (entry("linux", "amd64"), Of::Image(0)),
            (entry("linux", "arm64"), Of::Image(1)),
            (attestation(0), Of::Attestation(0)),
            (attestation(1), Of::Attestation(1)),
        ],
        index: json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json" }),
        signed: [Some(REPOSITORY); 2],
        documents: |_| {},
        images_signed: false,
        alone: false,
        policy: "",
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn check(world: &World) -> Result<String, String> {
    let secret = SigningKey::from_slice(&[7; 32]).unwrap();
    let mut documents = Attestations::default();
    for (manifest, statement) in world.manifests.iter().zip(&world.statements) {
        let statement = bytes(statement);
        let mut manifest = manifest.clone();
        if manifest.get("layers").is_none() {
            let digest = Digest::sha256(&statement).to_string();
            manifest["layers"] = json!([{ "mediaType": STATEMENT, "digest": digest, "size": 1 }]);
        }
        documents.statements.push(statement);
        documents.manifests.push(bytes(&manifest));
    }
    let manifests: Vec<_> = documents
        .manifests
        .iter()
        .map(|one| Digest::sha256(one))
        .collect();
    let entries = world.entries.iter().map(|(entry, of)| {
        let mut entry = entry.clone();
        let digest = match *of {
            Of::Image(number) => image(number),
            Of::Attestation(number) => manifests[number].clone(),
        };
        entry["digest"] = digest.to_string().into();
        entry
    });
    let mut index = world.index.clone();
    index["manifests"] = entries.collect();
    let index = bytes(&index);
    let mut wanted = Digest::sha256(&index);
    documents.index = Some(index);
    if world.alone {
        documents = Attestations {
            index: None,
            manifests: vec![documents.manifests.remove(0)],
            ..documents
        };
        wanted = image(0);
    }
    (world.documents)(&mut documents);
    let mut proofs = BTreeMap::new();
    for (number, repository) in world.signed.iter().enumerate() {
        let of = if world.images_signed {
            image(number)
        } else {
            manifests[number].clone()
        };
        let payload = json!({ "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": of.to_string() },
            "type": "cosign container image signature",
        }, "optional": null });
        let payload = bytes(&payload);
        let signature: p256::ecdsa::Signature = secret.sign(&payload);
        let signature = base64ct::Base64::encode_string(signature.to_der().as_bytes());
        let signature = (repository.is_some()).then(|| {
            Proof::Cosign(crate::verify::cosign::Signature {
                payload,
                signature,
                ..Default::default()
            })
        });
        proofs.insert(manifests[number].clone(), signature);
    }
    let keys = [TrustedKey {
        name: "test".to_owned(),
        key: Key::Sigstore(key(world.policy, &secret)),
    }];
    let at = "2026-11-22T00:00:00Z".parse().unwrap();
    verify(&wanted, &documents, |about| {
        let found = proofs.get(&about.manifest).into_iter().flatten();
        signed_by(about, Some(REPOSITORY), found, &keys, at)
    })
    .map(|(trusted, _)| trusted.name.clone())
    .map_err(|failure| failure.to_string())
}

/// The test key; of a policy that wants something of the provenance, if `policy` does.
fn key(policy: &str, secret: &SigningKey) -> sigstore::Key {
    use p256::pkcs8::{EncodePublicKey as _, LineEnding};
    let pem = secret
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    let mut key = sigstore::Key::from(PublicKey::from_pem(&pem).unwrap());
    if let Some((what, value)) = policy.split_once('=') {
        let wanted = |name: &str| (what == name).then(|| sigstore::Matcher::exact(value).unwrap());
        key.claim = Claim::Provenance(sigstore::Provenance {
            builder: wanted("builder"),
            source: wanted("source"),
            reference: wanted("ref"),
        });
    }
    key
}

type Change = fn(&mut World);

#[test]
fn signed_attestations_prove_their_images() {
    let good: [(&str, Change); 6] = [
        ("an index", |_| {}),
        ("one image", |world| world.alone = true),
        ("the source", |world| {
            world.policy = "source=https://git.example.com/acme/app"
        }),
        ("the ref", |world| world.policy = "ref=refs/tags/v1"),
        ("the builder", |world| {
            world.policy = "builder=https://ci.example.com"
        }),
        ("entries in another order", |world| world.entries.reverse()),
    ];
    for (name, change) in good {
        let mut world = world();
        change(&mut world);
        assert_eq!(check(&world), Ok("test".to_owned()), "{name}");
    }
}

#[test]
fn what_differs_in_one_thing_is_refused_with_its_reason() {
    let hostile: &[(&str, Change, &str)] = &[
        (
            "no signature of one",
            |w| w.signed[1] = None,
            "no signature of the attestation manifest",
        ),
        (
            "signed for another repository",
            |w| w.signed[0] = Some("registry.test/team/other"),
            "for the repository",
        ),
        (
            "the images are signed instead",
            |w| w.images_signed = true,
            "the signature is for sha256:",
        ),
        (
            "another source",
            |w| w.policy = "source=https://git.example.com/acme/other",
            "source repository",
        ),
        (
            "another ref",
            |w| w.policy = "ref=refs/tags/v2",
            "source ref",
        ),
        (
            "another builder",
            |w| w.policy = "builder=https://evil.test",
            "builder",
        ),
        (
            "no provenance",
            |w| {
                w.policy = "ref=refs/tags/v1";
                w.statements[0]["predicateType"] = "https://spdx.dev/Document".into();
            },
            "predicate type",
        ),
        (
            "statement about another image",
            |w| w.statements[0]["subject"] = w.statements[1]["subject"].clone(),
            "the signature is for sha256:",
        ),
        (
            "statement about the same by another hash",
            |w| w.statements[0]["subject"][0]["digest"] = json!({ "sha512": image(0).hex() }),
            "the signature is for sha512:",
        ),
        (
            "statement about nothing",
            |w| w.statements[0]["subject"] = json!([]),
            "0 other subjects",
        ),
        (
            "statement of no known type",
            |w| w.statements[0]["_type"] = "https://in-toto.io/Statement/v9".into(),
            "statement's type",
        ),
        (
            "statement changed after signing",
            |w| w.documents = |d| d.statements[0].push(b' '),
            "no statement of it is at hand",
        ),
        (
            "statement missing",
            |w| {
                w.documents = |d| {
                    d.statements.remove(1);
                }
            },
            "no statement of it is at hand",
        ),
        (
            "manifest changed after signing",
            |w| w.documents = |d| d.manifests[0].push(b' '),
            "it lacks the manifest",
        ),
        (
            "manifest missing",
            |w| {
                w.documents = |d| {
                    d.manifests.remove(1);
                }
            },
            "it lacks the manifest",
        ),
        (
            "index of another image",
            |w| w.documents = |d| d.index.as_mut().unwrap().push(b' '),
            "the signature is for sha256:",
        ),
        (
            "index left out",
            |w| w.documents = |d| d.index = None,
            "the signature is for sha256:",
        ),
        (
            "no manifest of an image alone",
            |w| {
                w.alone = true;
                w.documents = |d| d.manifests.clear();
            },
            "there is no attestation manifest",
        ),
        (
            "an image without attestations",
            |w| {
                w.entries.remove(3);
            },
            "there is no attestation manifest of its image",
        ),
        (
            "an image more",
            |w| w.entries.push((w.entries[0].0.clone(), Of::Image(2))),
            "there is no attestation manifest of its image",
        ),
        (
            "attestations of an image elsewhere",
            |w| {
                w.entries.remove(1);
            },
            "which is not in it",
        ),
        (
            "attestations swapped",
            |w| {
                let one = w.entries[2].0.clone();
                w.entries[2].0 = w.entries[3].0.clone();
                w.entries[3].0 = one;
            },
            "the signature is for sha256:",
        ),
        (
            "attestations that name no image",
            |w| {
                w.entries[2].0["annotations"]
                    .as_object_mut()
                    .unwrap()
                    .remove(REFERENCE_DIGEST);
            },
            "names no image",
        ),
        (
            "an image that calls itself attestations",
            |w| {
                let mut one = w.entries[2].0.clone();
                one["platform"] = json!({ "os": "linux", "architecture": "amd64" });
                w.entries.push((one, Of::Image(2)));
            },
            "there is no attestation manifest of its image",
        ),
        (
            "attestations without a platform",
            |w| {
                w.entries[2].0.as_object_mut().unwrap().remove("platform");
            },
            "there is no attestation manifest of its image",
        ),
        (
            "an index in the index",
            |w| w.entries[0].0["mediaType"] = "application/vnd.oci.image.index.v1+json".into(),
            "entry of the index",
        ),
        (
            "an index that is a manifest, too",
            |w| w.index["layers"] = json!([]),
            "unknown field",
        ),
        (
            "an empty index",
            |w| w.entries.clear(),
            "there is no image in it",
        ),
        (
            "a manifest that is an index, too",
            |w| w.manifests[0]["manifests"] = json!([]),
            "unknown field",
        ),
        (
            "a manifest with a layer of files",
            |w| w.manifests[0]["layers"] = json!([{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": image(0).to_string() }]),
            "manifest's layer",
        ),
        (
            "a manifest without layers",
            |w| w.manifests[0]["layers"] = json!([]),
            "no statement of it is at hand",
        ),
        (
            "a manifest that is nested deeply",
            |w| {
                w.documents =
                    |d| d.manifests[0] = [b"[".repeat(100_000), b"]".repeat(100_000)].concat()
            },
            "it lacks the manifest",
        ),
        (
            "65 images",
            |w| {
                let (image, attestation) = (w.entries[0].clone(), w.entries[2].clone());
                w.entries = [vec![image; 65], vec![attestation; 65]].concat();
            },
            "more than 64 images",
        ),
        (
            "of 5 MB",
            |w| w.documents = |d| d.statements.push(vec![b' '; 5_000_000]),
            "more than 4194304 bytes",
        ),
    ];
    for (name, change, words) in hostile {
        let mut world = world();
        change(&mut world);
        let refused = check(&world).expect_err(name);
        assert!(refused.contains(words), "{name}: {refused}");
    }
}
