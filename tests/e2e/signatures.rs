//! Who signed an image: genuine signatures, and ones in which a single thing differs.

use engine::{Result, image::Blob};
use serde_json::Value;

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, Pushed, accept, signed},
};

pub const TESTS: &[Test] = &[
    ("tag_signature_builds", |case| genuine(case, Format::Tag)),
    ("bundle_builds", |case| genuine(case, Format::Bundle)),
    ("tag_other_signature", |case| {
        changed(case, Format::Tag, Part::Signature)
    }),
    ("bundle_other_signature", |case| {
        changed(case, Format::Bundle, Part::Signature)
    }),
    ("tag_other_payload", |case| {
        changed(case, Format::Tag, Part::Payload)
    }),
    ("bundle_other_payload", |case| {
        changed(case, Format::Bundle, Part::Payload)
    }),
    ("tag_other_key", |case| other_key(case, Format::Tag)),
    ("bundle_other_key", |case| other_key(case, Format::Bundle)),
    ("tag_other_digest", |case| other_image(case, Format::Tag)),
    ("bundle_other_digest", |case| {
        other_image(case, Format::Bundle)
    }),
    ("tag_other_repository", other_repository),
    ("one_of_two_keys_is_enough", one_of_two_keys),
    ("no_rule_is_a_refusal", no_rule),
    ("no_policy_is_a_refusal", no_policy),
    ("an_expired_acceptance_is_a_refusal", expired),
    ("index_is_what_is_signed", index_signed),
];

/// What is changed in a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Signature,
    Payload,
}

fn dockerfile(image: &Pushed) -> String {
    format!("FROM {}\n{EXECUTE}\n", image.tagged())
}

fn genuine(case: &Case, format: Format) -> Result<()> {
    let image = case.signed_base("base", format)?;
    case.policy(&[signed(&image.repository, &["base"])])?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    Ok(())
}

fn changed(case: &Case, format: Format, part: Part) -> Result<()> {
    let image = case.signed_base("base", format)?;
    case.policy(&[signed(&image.repository, &["base"])])?;
    match format {
        Format::Tag => change_tag(case, &image, part)?,
        Format::Bundle => change_bundle(case, &image, part)?,
    }
    case.build(&dockerfile(&image))?
        .run()?
        .refused("FROM", &[&image.repository])?;
    Ok(())
}

/// Changes one byte of a signature that is under a tag.
fn change_tag(case: &Case, image: &Pushed, part: Part) -> Result<()> {
    let registry = &case.bench.registry;
    let tag = format!("{}.sig", image.tag_prefix());
    let manifest = registry.manifest(&image.path, &tag)?;
    let mut json: Value = serde_json::from_slice(&manifest.bytes)?;
    let layer = &mut json["layers"][0];
    match part {
        Part::Signature => {
            let signature = &mut layer["annotations"]["dev.cosignproject.cosign/signature"];
            *signature = flip(signature.as_str().ok_or("no signature")?).into();
        }
        Part::Payload => {
            let payload =
                registry.blob(&image.path, layer["digest"].as_str().ok_or("no payload")?)?;
            let text = String::from_utf8(payload.bytes)?;
            let bytes = text
                .replace("cosign container image", "cosign container imagf")
                .into_bytes();
            assert_ne!(text.as_bytes(), bytes, "the payload has its type");
            let payload = Blob {
                media_type: payload.media_type,
                bytes,
            };
            layer["digest"] = payload.digest().into();
            registry.put_blob(&image.path, &payload)?;
        }
    }
    let manifest = Blob {
        bytes: serde_json::to_vec(&json)?,
        ..manifest
    };
    registry.put_manifest(&image.path, &tag, &manifest)?;
    Ok(())
}

/// Changes one byte of a bundle that refers to `image`.
fn change_bundle(case: &Case, image: &Pushed, part: Part) -> Result<()> {
    let registry = &case.bench.registry;
    let index = registry.manifest(&image.path, &image.tag_prefix())?;
    let mut index_json: Value = serde_json::from_slice(&index.bytes)?;
    let referrer = &mut index_json["manifests"][0];
    let manifest = registry.manifest(
        &image.path,
        referrer["digest"].as_str().ok_or("no referrer")?,
    )?;
    let mut json: Value = serde_json::from_slice(&manifest.bytes)?;
    let layer = &mut json["layers"][0];
    let bundle = registry.blob(&image.path, layer["digest"].as_str().ok_or("no bundle")?)?;
    let mut bundle_json: Value = serde_json::from_slice(&bundle.bytes)?;
    let envelope = &mut bundle_json["dsseEnvelope"];
    let text = match part {
        Part::Signature => &mut envelope["signatures"][0]["sig"],
        Part::Payload => &mut envelope["payload"],
    };
    *text = flip(text.as_str().ok_or("not a text")?).into();
    let bundle = Blob {
        bytes: serde_json::to_vec(&bundle_json)?,
        ..bundle
    };
    layer["digest"] = bundle.digest().into();
    layer["size"] = bundle.bytes.len().into();
    registry.put_blob(&image.path, &bundle)?;
    let manifest = Blob {
        bytes: serde_json::to_vec(&json)?,
        ..manifest
    };
    referrer["digest"] = manifest.digest().into();
    referrer["size"] = manifest.bytes.len().into();
    registry.put_manifest(&image.path, &manifest.digest(), &manifest)?;
    registry.put_manifest(
        &image.path,
        &image.tag_prefix(),
        &Blob {
            bytes: serde_json::to_vec(&index_json)?,
            ..index
        },
    )?;
    Ok(())
}

/// Base64 with one byte of what it stands for changed.
fn flip(base64: &str) -> String {
    // Twenty digits before the end: past the header of a signature, and in a payload within its last members.
    let at = base64.len().saturating_sub(20);
    let digit = if base64[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    format!("{}{digit}{}", &base64[..at], &base64[at + 1..])
}

fn other_key(case: &Case, format: Format) -> Result<()> {
    let image = case.signed_base("base", format)?;
    case.policy(&[signed(&image.repository, &["other"])])?;
    case.build(&dockerfile(&image))?
        .run()?
        .refused("FROM", &[&image.repository, "other"])?;
    Ok(())
}

/// The signature of one image where that of another should be, in the same repository.
fn other_image(case: &Case, format: Format) -> Result<()> {
    let registry = &case.bench.registry;
    let image = case.signed_base("base", format)?;
    let swapped = case.push("base", &case.busybox("another content"))?;
    assert_ne!(image.digest, swapped.digest);
    let suffix = if format == Format::Tag { ".sig" } else { "" };
    let manifest = registry.manifest(&image.path, &format!("{}{suffix}", image.tag_prefix()))?;
    registry.put_manifest(
        &image.path,
        &format!("{}{suffix}", swapped.tag_prefix()),
        &manifest,
    )?;
    case.policy(&[signed(&image.repository, &["base"])])?;
    // The tag leads to the swapped image now; the signed one is still there by its digest.
    case.build(&dockerfile(&swapped))?
        .run()?
        .refused("FROM", &[&image.repository])?;
    let pinned = format!("FROM {}\n{EXECUTE}\n", image.pinned());
    case.build(&pinned)?.run()?.executed()?;
    Ok(())
}

/// The same image and its signature, copied into another repository.
fn other_repository(case: &Case) -> Result<()> {
    let registry = &case.bench.registry;
    let image = case.signed_base("base", Format::Tag)?;
    let copy = case.base_as("base", "copy")?;
    assert_eq!(image.digest, copy.digest);
    let tag = format!("{}.sig", image.tag_prefix());
    let manifest = registry.manifest(&image.path, &tag)?;
    let json: Value = serde_json::from_slice(&manifest.bytes)?;
    for blob in [&json["config"], &json["layers"][0]] {
        let digest = blob["digest"].as_str().ok_or("no digest")?;
        registry.put_blob(&copy.path, &registry.blob(&image.path, digest)?)?;
    }
    registry.put_manifest(&copy.path, &tag, &manifest)?;
    case.policy(&[
        signed(&image.repository, &["base"]),
        signed(&copy.repository, &["base"]),
    ])?;
    case.build(&dockerfile(&copy))?
        .run()?
        .refused("FROM", &[&copy.repository, &image.repository])?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    let rule = format!(
        "{}signed-as = \"{}\"\n",
        signed(&copy.repository, &["base"]),
        image.repository
    );
    case.policy(&[rule])?;
    case.build(&dockerfile(&copy))?.run()?.built()?;
    Ok(())
}

fn one_of_two_keys(case: &Case) -> Result<()> {
    let image = case.signed_base("base", Format::Tag)?;
    case.policy(&[signed(&image.repository, &["other", "base"])])?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    Ok(())
}

fn no_rule(case: &Case) -> Result<()> {
    let image = case.signed_base("base", Format::Tag)?;
    let near = [
        signed(&format!("{}-other", image.repository), &["base"]),
        accept("image", &format!("{}/below", image.repository)),
        accept("image", &image.repository[1..]),
        accept("http", &format!("http://{}", image.repository)),
    ];
    case.policy(&near)?;
    case.build(&dockerfile(&image))?
        .run()?
        .refused("FROM", &[&image.repository])?;
    case.policy(&[accept("image", &image.repository)])?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    Ok(())
}

fn no_policy(case: &Case) -> Result<()> {
    let image = case.signed_base("base", Format::Tag)?;
    case.build(&dockerfile(&image))?
        .run()?
        .refused("FROM", &[&image.repository])?;
    Ok(())
}

fn expired(case: &Case) -> Result<()> {
    let image = case.base("base")?;
    case.policy(&[accept("image", &image.repository).replace("2099", "2020")])?;
    case.build(&dockerfile(&image))?
        .run()?
        .refused("FROM", &[&image.repository, "2020-01-01"])?;
    Ok(())
}

/// Of an image for several platforms, the index is signed.
fn index_signed(case: &Case) -> Result<()> {
    let images = [
        case.busybox("amd64"),
        case.busybox("arm64").platform("linux/arm64"),
    ];
    let image = case.push_index("base", &images)?;
    case.policy(&[signed(&image.repository, &["base"])])?;
    case.build(&dockerfile(&image))?
        .run()?
        .refused("FROM", &[&image.repository])?;
    case.sign(&image, "base", Format::Tag)?;
    case.build(&dockerfile(&image))?.run()?.executed()?;
    Ok(())
}
