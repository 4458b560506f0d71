//! Finding signatures: in each place, past broken ones, and not without end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    digest::Digest,
    resolve::registry::{
        signatures::{Collected, MAX_SIGNATURES, Place, RawSignature, collect},
        testing::*,
        *,
    },
    verify::cosign,
};

const BUNDLE: &str = media_type::BUNDLE;

/// What a registry holds, by path below the repository.
#[derive(Clone, Default)]
struct Store(BTreeMap<String, (&'static str, Vec<u8>)>);

impl Store {
    fn blob(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.0.insert(
            format!("blobs/{digest}"),
            ("application/octet-stream", bytes.to_vec()),
        );
        digest
    }

    fn manifest(&mut self, name: Option<&str>, document: &Value) -> Digest {
        let bytes = document.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        let name = name.map_or_else(|| digest.to_string(), str::to_owned);
        self.0
            .insert(format!("manifests/{name}"), (media_type::OCI_INDEX, bytes));
        digest
    }

    /// A layer as cosign writes it.
    fn simple(&mut self, payload: &[u8], signature: &str) -> Value {
        json!({"mediaType": media_type::SIMPLE_SIGNING, "digest": self.blob(payload), "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/certificate": "C"}})
    }

    /// An artifact with one bundle, and its descriptor in a list of referrers.
    fn bundle(&mut self, json: &[u8]) -> Value {
        let layer = json!({"mediaType": BUNDLE, "digest": self.blob(json), "size": json.len()});
        let manifest = self.manifest(None, &json!({"artifactType": BUNDLE, "layers": [layer]}));
        json!({"mediaType": media_type::OCI_MANIFEST, "digest": manifest, "size": 1, "artifactType": BUNDLE})
    }

    fn referrers(&mut self, name: String, list: &[Value]) {
        let list = json!({"mediaType": media_type::OCI_INDEX, "manifests": list}).to_string();
        self.0
            .insert(name, (media_type::OCI_INDEX, list.into_bytes()));
    }

    fn serve(self) -> Server {
        Server::plain(move |asked| {
            let path = asked.target.strip_prefix("/v2/team/app/").unwrap();
            match self.0.get(path).or_else(|| {
                self.0
                    .get(path.split_once('?').map_or(path, |(path, _)| path))
            }) {
                Some((kind, bytes)) => Reply::Answer(
                    200,
                    vec![("Content-Type", (*kind).to_owned())],
                    bytes.clone(),
                ),
                None => status(404),
            }
        })
    }

    fn collect(self) -> Result<Collected, Error> {
        let server = self.serve();
        let repository = Repository::new(&server.host(), "team/app").unwrap();
        collect(
            &Client::new(options()).unwrap(),
            &repository,
            &image(),
            &Place::ALL,
        )
    }
}

fn image() -> Digest {
    Digest::sha256(b"image")
}

fn api() -> String {
    format!("referrers/{}", image())
}

fn signature_tag() -> String {
    format!("sha256-{}.sig", image().hex())
}

fn fallback() -> String {
    format!("manifests/sha256-{}", image().hex())
}

fn bundle(json: &[u8]) -> RawSignature {
    RawSignature::Bundle {
        json: json.to_vec(),
    }
}

#[test]
fn none_is_no_error() {
    assert_eq!(Store::default().collect().unwrap(), Collected::default());
}

#[test]
fn finds_both_kinds_in_all_places() {
    let mut store = Store::default();
    let layers = [
        store.simple(b"one", "S1"),
        store.simple(b"one", "S2"),
        store.simple(b"one", "S1"),
    ];
    store.manifest(Some(&signature_tag()), &json!({"layers": layers}));
    let cosign = |signature: &str| RawSignature::Cosign {
        payload: b"one".to_vec(),
        signature: signature.to_owned(),
        certificate: Some("C".to_owned()),
        chain: None,
        bundle: None,
        timestamp: None,
    };
    let by_tag = vec![cosign("S1"), cosign("S2")];
    assert_eq!(store.clone().collect().unwrap().signatures, by_tag);

    let entry = store.bundle(b"{}");
    for place in [api(), fallback()] {
        let mut store = store.clone();
        store.referrers(place, &[entry.clone(), entry.clone()]);
        let found = store.collect().unwrap();
        assert_eq!(
            found.signatures,
            [by_tag.clone(), vec![bundle(b"{}")]].concat()
        );
        assert!(found.skipped.is_empty());
    }

    // Only what may be a signature; and the older layout as a referrer.
    let mut store = Store::default();
    let mut other = store.bundle(b"other");
    other["artifactType"] = json!("application/spdx+json");
    let plain = store.blob(b"no signature");
    let plain = json!({"mediaType": "text/plain", "digest": plain});
    let plain = store.manifest(None, &json!({"layers": [plain]}));
    let untyped = json!({"mediaType": media_type::OCI_MANIFEST, "digest": plain});
    let layers = [store.simple(b"two", "S3")];
    let older = store.manifest(None, &json!({"layers": layers}));
    let older = json!({"mediaType": media_type::OCI_MANIFEST, "digest": older, "artifactType": media_type::COSIGN_REFERRER});
    store.referrers(api(), &[other, untyped, older]);
    let found = store.collect().unwrap().signatures;
    assert!(
        matches!(&found[..], [RawSignature::Cosign { signature, .. }] if signature == "S3"),
        "{found:?}"
    );
}

/// As cosign 2 and 3 write it where there is no referrers API.
#[test]
fn the_fallback_tag_may_have_the_type_of_the_config() {
    for kind in [None, Some(media_type::EMPTY)] {
        for place in [api(), fallback()] {
            let mut store = Store::default();
            let mut entry = store.bundle(b"{}");
            entry["artifactType"] = json!(kind);
            store.referrers(place, &[entry]);
            assert_eq!(store.collect().unwrap().signatures, [bundle(b"{}")]);
        }
    }
}

#[test]
fn a_registry_that_filters_is_asked_for_each_type() {
    let mut store = Store::default();
    let entry = store.bundle(b"{}");
    let layers = [store.simple(b"two", "S3")];
    let older = store.manifest(None, &json!({"layers": layers}));
    let older = json!({"mediaType": media_type::OCI_MANIFEST, "digest": older, "artifactType": media_type::COSIGN_REFERRER});
    let server = Server::plain(move |asked| {
        let path = asked.target.strip_prefix("/v2/team/app/").unwrap();
        if let Some((kind, bytes)) = store.0.get(path) {
            return Reply::Answer(
                200,
                vec![("Content-Type", (*kind).to_owned())],
                bytes.clone(),
            );
        }
        let list = match path.split_once("?artifactType=").map(|(_, kind)| kind) {
            Some("application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson") => {
                json!({"manifests": [entry]})
            }
            Some("application%2Fvnd.dev.cosign.artifact.sig.v1%2Bjson") => {
                json!({"manifests": [older]})
            }
            _ => return status(404),
        };
        let headers = vec![
            ("Content-Type", media_type::OCI_INDEX.to_owned()),
            ("OCI-Filters-Applied", "x, artifactType".to_owned()),
        ];
        Reply::Answer(200, headers, list.to_string().into_bytes())
    });
    let repository = Repository::new(&server.host(), "team/app").unwrap();
    let found = collect(
        &Client::new(options()).unwrap(),
        &repository,
        &image(),
        &Place::ALL,
    )
    .unwrap();
    assert_eq!(found.signatures.len(), 2);
}

#[test]
fn registries_without_the_api_have_the_fallback_tag() {
    for missing in [400, 404, 405, 406, 501, 200] {
        let mut store = Store::default();
        let entry = store.bundle(b"{}");
        store.referrers(fallback(), &[entry]);
        let server = Server::plain(move |asked| {
            let path = asked.target.strip_prefix("/v2/team/app/").unwrap();
            match store.0.get(path) {
                Some((_, bytes)) => ok(bytes.clone()),
                None if path.starts_with("referrers/") => {
                    Reply::Answer(missing, vec![], b"<html>".to_vec())
                }
                None => status(404),
            }
        });
        let repository = Repository::new(&server.host(), "team/app").unwrap();
        let found = collect(
            &Client::new(options()).unwrap(),
            &repository,
            &image(),
            &Place::ALL,
        )
        .unwrap();
        assert_eq!(found.signatures, [bundle(b"{}")], "{missing}");
    }
}

#[test]
fn a_broken_artifact_hides_no_good_one() {
    let mut store = Store::default();
    let good = store.bundle(b"good");
    let (missing, changed) = (store.bundle(b"missing"), store.bundle(b"changed"));
    store
        .0
        .remove(&format!("blobs/{}", Digest::sha256(b"missing")));
    store.0.insert(
        format!("blobs/{}", Digest::sha256(b"changed")),
        ("x", b"CHANGED".to_vec()),
    );
    let large = vec![b' '; Limits::default().blob + 1];
    let large = store.bundle(&large);
    let gone = json!({"mediaType": "x", "digest": Digest::sha256(b"gone"), "artifactType": BUNDLE});
    let unsigned =
        json!({"mediaType": media_type::SIMPLE_SIGNING, "digest": Digest::sha256(b"x"), "size": 1});
    store.manifest(Some(&signature_tag()), &json!({"layers": [unsigned]}));
    store.referrers(api(), &[missing, changed, large, gone, good]);
    let found = store.collect().unwrap();
    assert_eq!(found.signatures, [bundle(b"good")]);
    assert_eq!(found.skipped.len(), 5, "{:#?}", found.skipped);
}

#[test]
fn an_attestation_under_a_tag_becomes_a_bundle() {
    let mut store = Store::default();
    let envelope =
        br#"{"payload":"e30=","payloadType":"x","signatures":[{"keyid":"","sig":"AA=="}]}"#;
    let layer = |store: &mut Store, bytes: &[u8], annotations: Value| json!({"mediaType": cosign::ENVELOPE_TYPE, "digest": store.blob(bytes), "size": bytes.len(), "annotations": annotations});
    let layers = [
        layer(&mut store, envelope, json!({})),
        layer(&mut store, b"no JSON", json!({})),
        layer(
            &mut store,
            b"{}",
            json!({"dev.sigstore.cosign/certificate": "no PEM"}),
        ),
        layer(
            &mut store,
            b"{ }",
            json!({"dev.sigstore.cosign/bundle": "{}"}),
        ),
    ];
    let tag = cosign::attestation_tag(&image());
    store.manifest(Some(&tag), &json!({"layers": layers}));
    let found = store.collect().unwrap();
    let [RawSignature::Bundle { json }] = found.signatures.as_slice() else {
        panic!("{:#?}", found.signatures);
    };
    let bundle: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(bundle["mediaType"], BUNDLE);
    assert_eq!(
        bundle["dsseEnvelope"],
        serde_json::from_slice::<Value>(envelope).unwrap()
    );
    assert_eq!(found.skipped.len(), 3, "{:#?}", found.skipped);
    for (skipped, why) in found
        .skipped
        .iter()
        .zip(["envelope", "certificate", "log entry"])
    {
        assert!(skipped.contains(why), "{skipped}");
    }
}

#[test]
fn signatures_go_before_attestations() {
    let mut store = Store::default();
    let mut list = Vec::new();
    for (json, predicate) in [
        ("sbom", "https://spdx.dev/Document"),
        ("sign", "https://sigstore.dev/cosign/sign/v1"),
        ("old", ""),
    ] {
        let mut entry = store.bundle(json.as_bytes());
        if !predicate.is_empty() {
            entry["annotations"] = json!({"dev.sigstore.bundle.predicateType": predicate});
        }
        list.push(entry);
    }
    store.referrers(api(), &list);
    assert_eq!(
        store.collect().unwrap().signatures,
        [bundle(b"sign"), bundle(b"old"), bundle(b"sbom")]
    );
}

#[test]
fn many_are_bounded() {
    let mut store = Store::default();
    let list: Vec<Value> = (0..MAX_SIGNATURES + 9)
        .map(|n| store.bundle(n.to_string().as_bytes()))
        .collect();
    store.referrers(api(), &list);
    let found = store.collect().unwrap();
    assert_eq!(
        (found.signatures.len(), found.skipped.len()),
        (MAX_SIGNATURES, 1)
    );

    let mut store = Store::default();
    let layers: Vec<Value> = (0..MAX_SIGNATURES + 9)
        .map(|n| store.simple(b"p", &n.to_string()))
        .collect();
    store.manifest(Some(&signature_tag()), &json!({"layers": layers}));
    assert_eq!(store.collect().unwrap().signatures.len(), MAX_SIGNATURES);

    // Few, but large: of 4 MiB each, no more than four.
    let mut store = Store::default();
    let mut large = vec![b' '; 4 << 20];
    let list: Vec<Value> = (0..6)
        .map(|n| {
            large[0] = n;
            store.bundle(&large)
        })
        .collect();
    store.referrers(api(), &list);
    assert_eq!(store.collect().unwrap().signatures.len(), 4);

    // Many that are none are not all looked at.
    let mut store = Store::default();
    let list: Vec<Value> = (0..300)
        .map(|n| {
            let manifest = store.manifest(
                None,
                &json!({"layers": [], "annotations": {"n": n.to_string()}}),
            );
            json!({"mediaType": media_type::OCI_MANIFEST, "digest": manifest})
        })
        .collect();
    store.referrers(api(), &list);
    let server = store.serve();
    let repository = Repository::new(&server.host(), "team/app").unwrap();
    let found = collect(
        &Client::new(options()).unwrap(),
        &repository,
        &image(),
        &Place::ALL,
    )
    .unwrap();
    assert_eq!((found.signatures.len(), found.skipped.len()), (0, 1));
    // Two tags, and the list.
    assert_eq!(server.asked().len(), 3 + 256);

    // And many broken ones do not keep us busy.
    let mut store = Store::default();
    let gone = |n: usize| json!({"mediaType": "x", "digest": Digest::sha256(&n.to_be_bytes()), "artifactType": BUNDLE});
    store.referrers(api(), &(0..1000).map(gone).collect::<Vec<_>>());
    assert_eq!(store.collect().unwrap().skipped.len(), 65);
}

#[test]
fn what_is_not_known_is_an_error() {
    for code in [401, 403, 429, 500] {
        for failing in ["manifests", "referrers", "blobs"] {
            let mut store = Store::default();
            let layer = store.simple(b"p", "s");
            store.manifest(Some(&signature_tag()), &json!({"layers": [layer]}));
            let server = Server::plain(move |asked| {
                let path = asked.target.strip_prefix("/v2/team/app/").unwrap();
                match store.0.get(path) {
                    _ if path.starts_with(failing) => status(code),
                    Some((_, bytes)) => ok(bytes.clone()),
                    None => status(404),
                }
            });
            let repository = Repository::new(&server.host(), "team/app").unwrap();
            let result = collect(
                &Client::new(options()).unwrap(),
                &repository,
                &image(),
                &Place::ALL,
            );
            assert!(result.is_err(), "{code} {failing}: {result:?}");
        }
    }
    for garbage in ["<html>", "[]", r#"{"manifests":[7]}"#] {
        let server = Server::plain(move |_| ok(garbage));
        let repository = Repository::new(&server.host(), "team/app").unwrap();
        let error = collect(
            &Client::new(options()).unwrap(),
            &repository,
            &image(),
            &Place::ALL,
        )
        .unwrap_err();
        assert!(matches!(error.cause, Cause::Malformed { .. }), "{error}");
    }
}
