//! One build for each way in which images are signed without a cosign key pair: keyless, attested, by Notary v2; what is signed is built,
//! and what differs in one thing is refused at its line. cosign and notation say that the good ones are good.

use std::fs;

use engine::{Result, image::Blob, process::run};
use serde_json::{Value, json};

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, Pushed, TOOL_LIMIT, signed},
    instance::{Authority, IDENTITY, ISSUER, Instance, REF, SOURCE, now, statement},
};

pub const TESTS: &[Test] = &[
    ("keyless_tag", |case| keyless(case, Form::Tag)),
    ("keyless_bundle", |case| keyless(case, Form::Bundle)),
    ("provenance_tag", |case| keyless(case, Form::TagProvenance)),
    ("provenance_bundle", |case| {
        keyless(case, Form::BundleProvenance)
    }),
    ("notation_jws", |case| notation(case, "jws")),
    ("notation_cose", |case| notation(case, "cose")),
    ("attestation_manifests_by_tag", |case| {
        attestation_manifests(case, Format::Tag)
    }),
    ("attestation_manifests_by_bundle", |case| {
        attestation_manifests(case, Format::Bundle)
    }),
    ("index_or_platform_by_tag", |case| {
        platform(case, Format::Tag)
    }),
    ("index_or_platform_by_bundle", |case| {
        platform(case, Format::Bundle)
    }),
];

const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// How a keyless signature is attached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `sha256-HEX.sig`.
    Tag,
    /// A bundle, as a referrer.
    Bundle,
    /// `sha256-HEX.att`.
    TagProvenance,
    /// A bundle, as a referrer.
    BundleProvenance,
}

impl Form {
    fn is_provenance(self) -> bool {
        matches!(self, Self::TagProvenance | Self::BundleProvenance)
    }
}

fn dockerfile(image: &Pushed) -> String {
    format!("FROM {}\n{EXECUTE}\n", image.tagged())
}

/// Attaches to `image` what `instance` says of the image `digest`.
fn attach(
    case: &Case,
    instance: &Instance,
    image: &Pushed,
    digest: &str,
    form: Form,
) -> Result<()> {
    let layer = |media_type: &str, bytes| Blob {
        media_type: media_type.to_owned(),
        bytes,
    };
    match form {
        Form::Tag => {
            let payload = json!({
                "critical": {
                    "identity": { "docker-reference": image.repository },
                    "image": { "docker-manifest-digest": digest },
                    "type": "cosign container image signature",
                },
                "optional": null,
            });
            let payload = serde_json::to_vec(&payload)?;
            let annotations = instance.sign_older(&payload)?;
            let payload = layer("application/vnd.dev.cosign.simplesigning.v1+json", payload);
            under_tag(case, image, "sig", &payload, &annotations)
        }
        Form::TagProvenance => {
            let (envelope, annotations) = instance.attest_older(&statement(digest, true)?)?;
            let envelope = layer("application/vnd.dsse.envelope.v1+json", envelope);
            under_tag(case, image, "att", &envelope, &annotations)
        }
        Form::Bundle | Form::BundleProvenance => {
            let statement = statement(digest, form.is_provenance())?;
            let kind = statement["predicateType"].clone();
            let bundle = layer(BUNDLE, instance.attest(&statement)?);
            let annotations = json!({ "dev.sigstore.bundle.predicateType": kind });
            as_referrer(case, image, &bundle, &annotations)
        }
    }
}

/// As cosign before version 3 does.
fn under_tag(
    case: &Case,
    image: &Pushed,
    suffix: &str,
    layer: &Blob,
    annotations: &Value,
) -> Result<()> {
    let config = Blob {
        media_type: "application/vnd.oci.image.config.v1+json".to_owned(),
        bytes: b"{}".to_vec(),
    };
    let mut descriptor = layer.descriptor();
    descriptor["annotations"] = annotations.clone();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config.descriptor(), "layers": [descriptor],
    });
    let registry = &case.bench.registry;
    registry.put_blob(&image.path, &config)?;
    registry.put_blob(&image.path, layer)?;
    let tag = format!("{}.{suffix}", image.tag_prefix());
    registry.put_manifest(&image.path, &tag, &manifest_blob(&manifest)?)?;
    Ok(())
}

/// A referrer, listed in the fallback tag, as the registry here knows no referrers.
fn as_referrer(case: &Case, image: &Pushed, layer: &Blob, annotations: &Value) -> Result<()> {
    let registry = &case.bench.registry;
    let subject = registry.manifest(&image.path, &image.digest)?;
    let empty = Blob {
        media_type: "application/vnd.oci.empty.v1+json".to_owned(),
        bytes: b"{}".to_vec(),
    };
    let manifest = manifest_blob(&json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": layer.media_type,
        "config": empty.descriptor(),
        "layers": [layer.descriptor()],
        "subject": subject.descriptor(),
        "annotations": annotations,
    }))?;
    registry.put_blob(&image.path, &empty)?;
    registry.put_blob(&image.path, layer)?;
    registry.put_manifest(&image.path, &manifest.digest(), &manifest)?;
    let mut descriptor = manifest.descriptor();
    descriptor["artifactType"] = layer.media_type.clone().into();
    descriptor["annotations"] = annotations.clone();
    let index = Blob {
        media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        bytes: serde_json::to_vec(&json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [descriptor],
        }))?,
    };
    registry.put_manifest(&image.path, &image.tag_prefix(), &index)?;
    Ok(())
}

fn manifest_blob(manifest: &Value) -> Result<Blob> {
    Ok(Blob {
        media_type: IMAGE_MANIFEST.to_owned(),
        bytes: serde_json::to_vec(manifest)?,
    })
}

/// The policy: one publisher, by identity.
fn policy(case: &Case, image: &Pushed, key: &str) -> Result<()> {
    let rule = signed(&image.repository, &["publisher"]);
    let text = format!("version = 1\n[keys.publisher]\n{key}\n{rule}");
    case.file("verified.toml", text)
}

fn keyless(case: &Case, form: Form) -> Result<()> {
    let instance = Instance::new(11)?;
    case.file("keys/root.json", instance.trusted_root()?)?;
    case.file("keys/other-root.json", Instance::new(21)?.trusted_root()?)?;
    let image = case.base("base")?;
    attach(case, &instance, &image, &image.digest, form)?;
    cosign_agrees(case, &image, form)?;

    let key = |identity: &str, root: &str, reference: &str| {
        let key = format!(
            "issuer = \"{ISSUER}\"\nidentity = \"{identity}\"\ntrusted-root = \"keys/{root}.json\"\n"
        );
        if form.is_provenance() {
            format!("{key}builder = \"{IDENTITY}\"\nsource = \"{SOURCE}\"\nref = \"{reference}\"\n")
        } else {
            key
        }
    };
    let pattern = IDENTITY.replace("/v1", "/*");
    policy(case, &image, &key(&pattern, "root", "refs/tags/*"))?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    // A second build asks the registry for nothing again.
    let again = case.build(&dockerfile(&image))?.run()?.built()?;
    let step = format!("[verified] fetch signatures of {}", image.tagged());
    assert!(again.is_cached(&step), "fetched again: {}", again.output);

    // The policy wants somebody else, trusts another instance, or wants another build.
    let other = IDENTITY.replace("acme/app", "evil/app");
    let mut refused = vec![
        (key(&other, "root", REF), "not by `publisher`"),
        (key(IDENTITY, "other-root", REF), "log entry"),
    ];
    if form.is_provenance() {
        refused.push((
            key(IDENTITY, "root", "refs/tags/v2"),
            "source ref is `refs/tags/v1`",
        ));
        let other = key(IDENTITY, "root", REF).replace(
            &format!("source = \"{SOURCE}\""),
            "source = \"https://git.example.com/acme/other\"",
        );
        refused.push((other, "source repository is"));
    } else {
        let wanted = format!("{}builder = \"{IDENTITY}\"\n", key(IDENTITY, "root", REF));
        refused.push((wanted, &image.repository));
    }
    for (key, why) in refused {
        policy(case, &image, &key)?;
        case.build(&dockerfile(&image))?
            .run()?
            .refused("FROM", &[&image.repository, why])?;
    }
    // What the instance says of one image, beside another.
    policy(case, &image, &key(IDENTITY, "root", REF))?;
    let swapped = case.push("swapped", &case.busybox("another content"))?;
    attach(case, &instance, &swapped, &image.digest, form)?;
    policy(case, &swapped, &key(IDENTITY, "root", REF))?;
    case.build(&dockerfile(&swapped))?
        .run()?
        .refused("FROM", &[&swapped.repository, &image.digest])?;
    // The same by the instance, but a byte of what is signed is changed.
    let changed = case.push("changed", &case.busybox("a third content"))?;
    attach(case, &instance, &changed, &changed.digest, form)?;
    change(case, &changed, form)?;
    policy(case, &changed, &key(IDENTITY, "root", REF))?;
    case.build(&dockerfile(&changed))?
        .run()?
        .refused("FROM", &[&changed.repository])?;
    Ok(())
}

/// Changes a digit in the signature of the one layer that is attached to `image`.
fn change(case: &Case, image: &Pushed, form: Form) -> Result<()> {
    let registry = &case.bench.registry;
    let tag = match form {
        Form::Tag => format!("{}.sig", image.tag_prefix()),
        Form::TagProvenance => format!("{}.att", image.tag_prefix()),
        Form::Bundle | Form::BundleProvenance => {
            let index = registry.manifest(&image.path, &image.tag_prefix())?;
            let index: Value = serde_json::from_slice(&index.bytes)?;
            let listed = index["manifests"][0]["digest"].as_str();
            listed.ok_or("no referrer")?.to_owned()
        }
    };
    let manifest: Value = serde_json::from_slice(&registry.manifest(&image.path, &tag)?.bytes)?;
    let descriptor = &manifest["layers"][0];
    let digest = descriptor["digest"].as_str().ok_or("no layer")?;
    let mut layer = registry.blob(&image.path, digest)?;
    descriptor["mediaType"]
        .as_str()
        .ok_or("no type")?
        .clone_into(&mut layer.media_type);
    let mut annotations = descriptor["annotations"].clone();
    let mut content: Value = serde_json::from_slice(&layer.bytes)?;
    let signature = match form {
        Form::Tag => &mut annotations["dev.cosignproject.cosign/signature"],
        Form::TagProvenance => &mut content["signatures"][0]["sig"],
        Form::Bundle | Form::BundleProvenance => {
            &mut content["dsseEnvelope"]["signatures"][0]["sig"]
        }
    };
    let text = signature.as_str().ok_or("no signature")?;
    let digit = if &text[20..21] == "A" { "B" } else { "A" };
    *signature = format!("{}{digit}{}", &text[..20], &text[21..]).into();
    if form != Form::Tag {
        layer.bytes = serde_json::to_vec(&content)?;
    }
    match form {
        Form::Tag => under_tag(case, image, "sig", &layer, &annotations),
        Form::TagProvenance => under_tag(case, image, "att", &layer, &annotations),
        _ => as_referrer(case, image, &layer, &manifest["annotations"].clone()),
    }
}

/// That the real tool takes what the instance made.
fn cosign_agrees(case: &Case, image: &Pushed, form: Form) -> Result<()> {
    let signer = case.bench.signer();
    if !signer.makes_bundles()? {
        return Ok(());
    }
    let mut command = signer.command("cosign");
    if form.is_provenance() {
        command.args(["verify-attestation", "--type=slsaprovenance1"]);
    } else {
        command.arg("verify");
    }
    command
        .arg("--allow-insecure-registry")
        .arg(format!(
            "--trusted-root={}",
            case.folder.join("keys/root.json").display()
        ))
        .arg(format!("--certificate-oidc-issuer={ISSUER}"))
        .arg(format!("--certificate-identity={IDENTITY}"));
    if matches!(form, Form::Tag | Form::TagProvenance) {
        command.arg("--new-bundle-format=false");
    }
    run(command.arg(image.pinned()), &[], TOOL_LIMIT)?.success()?;
    Ok(())
}

/// Signed by notation with a certificate of a trust store.
fn notation(case: &Case, format: &str) -> Result<()> {
    let store = Authority::root("store", 31, now()?)?;
    let alice = store.certify("alice", 32, now()?)?;
    case.file("keys/store.pem", store.pem())?;
    case.file(
        "keys/other.pem",
        Authority::root("store", 33, now()?)?.pem(),
    )?;
    let image = case.base("base")?;
    let home = case.folder.join(".notation");
    case.file(".notation/alice.key", alice.secret()?)?;
    case.file(
        ".notation/alice.crt",
        format!("{}{}", alice.pem(), store.pem()),
    )?;
    let path = |name: &str| home.join(name).display().to_string();
    let keys = json!({
        "default": "alice",
        "keys": [{ "name": "alice", "keyPath": path("alice.key"), "certPath": path("alice.crt") }],
    });
    case.file(".notation/notation/signingkeys.json", keys.to_string())?;
    let sign = |image: &Pushed| {
        let mut command = case.bench.signer().command("notation");
        command
            .env("XDG_CONFIG_HOME", &home)
            .env("XDG_CACHE_HOME", &home);
        command.args(["sign", "--insecure-registry", "--signature-format", format]);
        run(command.arg(image.pinned()), &[], TOOL_LIMIT)?.success()
    };
    sign(&image)?;
    let key = |file: &str, identity: &str| {
        format!("notation = \"keys/{file}.pem\"\nidentity = \"{identity}\"\n")
    };
    let who = "x509.subject: C=DE, ST=Berlin, O=example.com, CN=alice";
    policy(case, &image, &key("store", who))?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    let again = case.build(&dockerfile(&image))?.run()?.built()?;
    let step = format!("[verified] fetch signatures of {}", image.tagged());
    assert!(again.is_cached(&step), "fetched again: {}", again.output);
    for (key, why) in [
        (key("store", &who.replace("alice", "bob")), "CN=alice"),
        (key("other", who), "trust store"),
    ] {
        policy(case, &image, &key)?;
        case.build(&dockerfile(&image))?
            .run()?
            .refused("FROM", &[&image.repository, why])?;
    }
    // The envelope of one image beside another.
    let registry = &case.bench.registry;
    let swapped = case.push("base", &case.busybox("another content"))?;
    let index = registry.manifest(&image.path, &image.tag_prefix())?;
    registry.put_manifest(&image.path, &swapped.tag_prefix(), &index)?;
    policy(case, &swapped, &key("store", who))?;
    case.build(&dockerfile(&swapped))?
        .run()?
        .refused("FROM", &[&swapped.repository, &image.digest])?;
    fs::remove_dir_all(&home)?;
    Ok(())
}

/// An image with provenance beside it, in an index: as the engine's BuildKit makes it, or, of an engine that cannot, in the same form.
fn attested(case: &Case) -> Result<Pushed> {
    let registry = &case.bench.registry;
    let image = case.push("app", &case.busybox("app"))?;
    if case.bench.engine.has_attestations()? {
        let output = format!("type=image,name={},push=true", image.tagged());
        let dockerfile = format!("FROM {}\nRUN true\n", image.pinned());
        case.build_bytes(dockerfile.as_bytes())?
            .with(&["--provenance=mode=max", "--output", &output])
            .run()?
            .built()?;
        let digest = registry.manifest(&image.path, "latest")?.digest();
        return Ok(Pushed { digest, ..image });
    }
    let subject = registry.manifest(&image.path, &image.digest)?;
    let statement = Blob {
        media_type: "application/vnd.in-toto+json".to_owned(),
        bytes: serde_json::to_vec(&statement(&image.digest, true)?)?,
    };
    let config = Blob {
        media_type: "application/vnd.oci.image.config.v1+json".to_owned(),
        bytes: b"{}".to_vec(),
    };
    for blob in [&statement, &config] {
        registry.put_blob(&image.path, blob)?;
    }
    let manifest = manifest_blob(&json!({
        "schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config.descriptor(), "layers": [statement.descriptor()],
    }))?;
    registry.put_manifest(&image.path, &manifest.digest(), &manifest)?;
    let (mut one, mut about) = (subject.descriptor(), manifest.descriptor());
    one["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    about["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    about["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image.digest,
    });
    let index = Blob {
        media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        bytes: serde_json::to_vec(&json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [one, about],
        }))?,
    };
    registry.put_manifest(&image.path, "latest", &index)?;
    Ok(Pushed {
        digest: index.digest(),
        ..image
    })
}

/// Signed is not the image but what BuildKit says of it: the engine's own builder makes the attestations, cosign signs them.
fn attestation_manifests(case: &Case, format: Format) -> Result<()> {
    let registry = &case.bench.registry;
    let image = attested(case)?;
    let index: Value =
        serde_json::from_slice(&registry.manifest(&image.path, &image.digest)?.bytes)?;
    let entries = index["manifests"].as_array().ok_or("no index")?;
    let of = |kind: Option<&str>| {
        let found = entries
            .iter()
            .find(|entry| entry["annotations"]["vnd.docker.reference.type"].as_str() == kind);
        let digest = found.and_then(|entry| entry["digest"].as_str());
        digest.map(str::to_owned).ok_or("it is not in the index")
    };
    let attestation = Pushed {
        digest: of(Some("attestation-manifest"))?,
        ..image.clone()
    };
    let rule = |more: &str| format!("{}{more}", signed(&image.repository, &["base"]));
    let (plain, wanted) = (rule(""), rule("signed = \"attestations\"\n"));
    let build = |image: &Pushed| case.build(&dockerfile(image))?.run();
    // Nothing is signed; another key has signed; the image itself is.
    case.policy(std::slice::from_ref(&wanted))?;
    build(&image)?.refused(
        "FROM",
        &[
            &image.repository,
            "no signature of the attestation manifest",
        ],
    )?;
    case.sign(&attestation, "other", format)?;
    build(&image)?.refused("FROM", &[&image.repository])?;
    case.sign(&attestation, "base", format)?;
    build(&image)?.executed()?;
    let again = build(&image)?.built()?;
    let step = format!("[verified] fetch attestations of {}", image.tagged());
    assert!(again.is_cached(&step), "fetched again: {}", again.output);
    // A rule that wants the image signed does not take it.
    case.policy(&[plain])?;
    build(&image)?.refused("FROM", &[&image.repository])?;
    // The signed attestation manifest beside another image.
    let mut changed = index.clone();
    let other = case.push("app", &case.busybox("another content"))?;
    let swapped = registry.manifest(&image.path, &other.digest)?.descriptor();
    for entry in changed["manifests"].as_array_mut().ok_or("no index")? {
        if entry["digest"] == of(None)? {
            entry["digest"] = swapped["digest"].clone();
            entry["size"] = swapped["size"].clone();
        } else {
            entry["annotations"]["vnd.docker.reference.digest"] = swapped["digest"].clone();
        }
    }
    let blob = Blob {
        media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        bytes: serde_json::to_vec(&changed)?,
    };
    registry.put_manifest(&image.path, "latest", &blob)?;
    let hostile = Pushed {
        digest: blob.digest(),
        ..image.clone()
    };
    case.policy(&[wanted])?;
    build(&hostile)?.refused("FROM", &[&image.repository, "the signature is for"])?;
    Ok(())
}

/// The digest that the Dockerfile leads to is what must be signed: of an index, the signature of its manifest proves nothing.
fn platform(case: &Case, format: Format) -> Result<()> {
    let images = [
        case.busybox("amd64"),
        case.busybox("arm64").platform("linux/arm64"),
    ];
    let index = case.push_index("base", &images)?;
    let manifest = Pushed {
        digest: images[0].build()?.0.digest(),
        ..index.clone()
    };
    case.policy(&[signed(&index.repository, &["base"])])?;
    case.sign(&manifest, "base", format)?;
    case.build(&dockerfile(&index))?
        .run()?
        .refused("FROM", &[&index.repository])?;
    let pinned = format!("FROM {}\n{EXECUTE}\n", manifest.pinned());
    case.build(&pinned)?.run()?.executed()?;
    case.sign(&index, "base", format)?;
    // The command was executed on that manifest already.
    case.build(&dockerfile(&index))?.run()?.built()?;
    Ok(())
}
