//! Each place in which something to fetch can be named: unsigned it is refused there, signed it builds.

use engine::Result;

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, Pushed, signed},
};

pub const TESTS: &[Test] = &[
    ("from", |case| {
        place(case, "FROM {image}\n{execute}\n", "FROM", &[])
    }),
    ("from_by_argument", |case| {
        place(
            case,
            "ARG BASE={image}\nFROM ${BASE}\n{execute}\n",
            "FROM",
            &[],
        )
    }),
    ("from_in_an_earlier_stage", |case| {
        place(
            case,
            "FROM {image} AS first\nFROM {signed}\nCOPY --from=first /etc/mark /\n{execute}\n",
            "FROM {image}",
            &[],
        )
    }),
    ("copy_from", |case| {
        place(
            case,
            "FROM {signed}\nCOPY --from={image} /etc/mark /mark\n{execute}\n",
            "COPY",
            &[],
        )
    }),
    ("run_mount_from", |case| {
        let dockerfile =
            "FROM {signed}\nRUN --mount=type=bind,from={image},target=/m echo executed-$((6*7))\n";
        place(case, dockerfile, "RUN", &[])
    }),
    ("named_context", |case| {
        let dockerfile = "FROM {signed}\nCOPY --from=tools /etc/mark /mark\n{execute}\n";
        place(
            case,
            dockerfile,
            "COPY",
            &["--build-context", "tools=docker-image://{image}"],
        )
    }),
    ("named_context_in_place_of_a_stage", |case| {
        let dockerfile =
            "FROM scratch AS tools\nFROM {signed}\nCOPY --from=tools /etc/mark /mark\n{execute}\n";
        place(
            case,
            dockerfile,
            "FROM scratch",
            &["--build-context", "tools=docker-image://{image}"],
        )
    }),
    ("named_context_in_place_of_the_base", |case| {
        place(
            case,
            "FROM alpine\n{execute}\n",
            "FROM",
            &["--build-context", "alpine=docker-image://{image}"],
        )
    }),
    ("build_argument", |case| {
        place(
            case,
            "ARG BASE={signed}\nFROM ${BASE}\n{execute}\n",
            "FROM",
            &["--build-arg", "BASE={image}"],
        )
    }),
    (
        "stages_that_are_not_built_are_not_asked_for",
        unreached_stage,
    ),
    ("sbom_scanner", sbom_scanner),
];

/// Builds `dockerfile` with an image that is not signed as `{image}`: it is refused at the line that starts with
/// `line`. Then the same with the image signed: it is built.
fn place(case: &Case, dockerfile: &str, line: &str, words: &[&str]) -> Result<()> {
    let base = case.signed_base("base", Format::Tag)?;
    let image = case.base("image")?;
    let fill = |text: &str| fill(text, &image, &base);
    let words: Vec<String> = words.iter().map(|word| fill(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    case.policy(&[
        signed(&image.repository, &["base"]),
        signed(&base.repository, &["base"]),
    ])?;
    case.build(&fill(dockerfile))?
        .with(&words)
        .run()?
        .refused(&fill(line), &[&image.repository])?;
    case.sign(&image, "base", Format::Tag)?;
    case.build(&fill(dockerfile))?
        .with(&words)
        .run()?
        .executed()?;
    Ok(())
}

fn fill(text: &str, image: &Pushed, base: &Pushed) -> String {
    let text = text
        .replace("{image}", &image.tagged())
        .replace("{signed}", &base.tagged());
    text.replace("{execute}", EXECUTE)
}

fn unreached_stage(case: &Case) -> Result<()> {
    let base = case.signed_base("base", Format::Tag)?;
    case.policy(&[signed(&base.repository, &["base"])])?;
    let dockerfile = format!(
        "FROM registry.example.com/never AS unused\nRUN false\nFROM {} AS wanted\n{EXECUTE}\nFROM registry.example.com/later\n",
        base.tagged()
    );
    case.build(&dockerfile)?
        .with(&["--target", "wanted"])
        .run()?
        .executed()?;
    Ok(())
}

/// The scanner of `--sbom` runs with the whole image before it: it is an image like any other, named by the command line.
fn sbom_scanner(case: &Case) -> Result<()> {
    if !case.bench.engine.has_attestations()? {
        return Ok(());
    }
    let base = case.signed_base("base", Format::Tag)?;
    let script = "#!/bin/sh\necho '{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://spdx.dev/Document\",\"predicate\":{\"spdxVersion\":\"SPDX-2.3\",\"name\":\"from our scanner\"}}' > $BUILDKIT_SCAN_DESTINATION/sbom.spdx.json\n";
    let scanner = case
        .busybox("scanner")
        .layer(&engine::image::Tar::new().file("scan", 0o755, script.as_bytes()));
    let scanner = case.push(
        "scanner",
        &scanner.with("Entrypoint", serde_json::json!(["/scan"])),
    )?;
    case.policy(&[
        signed(&scanner.repository, &["base"]),
        signed(&base.repository, &["base"]),
    ])?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let attest = format!("type=sbom,generator={}", scanner.tagged());
    let words = ["--attest", &attest, "--output", "type=oci,dest=out.tar"];
    case.build(&dockerfile)?
        .with(&words)
        .run()?
        .failed(&[&scanner.repository])?;
    case.sign(&scanner, "base", Format::Tag)?;
    case.build(&dockerfile)?.with(&words).run()?.executed()?;
    let archive = std::fs::read(case.folder.join("out.tar"))?;
    assert!(
        String::from_utf8_lossy(&archive).contains("from our scanner"),
        "its report is attached"
    );
    Ok(())
}
