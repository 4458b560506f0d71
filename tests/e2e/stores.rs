//! Where recorded files come from: a folder, an image, an OCI layout; and the Dockerfile that stock BuildKit builds with such an image.

use std::{fs, process::Command};

use engine::{Result, process};
use serde_json::json;

use crate::{
    Test,
    bench::{Case, EXECUTE, Pushed, TOOL_LIMIT, accept},
    replay::{record, store},
};

pub const TESTS: &[Test] = &[
    ("an_image_is_a_store_by_its_digest", image),
    ("an_oci_layout_is_a_store", layout),
    ("stock_buildkit_builds_the_rewritten_text", rewritten),
    ("thousands_of_files_are_one_snapshot", thousands),
];

/// A case with one recorded step in all forms but scripts, and what it gives.
fn recorded(case: &Case) -> Result<(Pushed, String)> {
    let base = case.base("base")?;
    let web = &case.bench.web;
    let shell = web.put(&format!("/stores/{}/shell", case.name), b"shell");
    let exec = web.put(&format!("/stores/{}/exec", case.name), b"exec");
    let heredoc = web.put(&format!("/stores/{}/heredoc", case.name), b"heredoc");
    case.policy(&[
        accept("image", &base.repository),
        accept("http", "http://**"),
        accept("image", &format!("{}/**", case.bench.engine.registry)),
        accept("image", "oci-layout://**"),
    ])?;
    let dockerfile = format!(
        "FROM {}\nRUN wget -O /shell {shell} && \\\n  # a comment\n  echo \"it's\" > /quoted\nRUN [\"wget\", \"-O\", \"/exec\", \"{exec}\"]\n\
         RUN <<END\nset -e\nwget -O /heredoc {heredoc}\nEND\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    web.put(&format!("/stores/{}/shell", case.name), b"other");
    Ok((base, dockerfile))
}

/// The store image of the case, pushed.
fn store_image(case: &Case, dockerfile: &str) -> Result<Pushed> {
    let name = case.path("store");
    let repository = format!("{}/{name}", case.bench.engine.registry);
    let context = format!("verified-store={}", store(case).display());
    case.build(dockerfile)?
        .with(&[
            "--build-arg",
            "VERIFIED_STORE=image",
            "--build-context",
            &context,
        ])
        .with(&["--provenance=false", "--push", "--tag", &repository])
        .run()?
        .built()?;
    let manifest = case.bench.registry.manifest(&name, "latest")?;
    Ok(Pushed {
        repository,
        path: name,
        digest: manifest.digest(),
    })
}

/// Builds where there is no network, and looks at what came of it.
fn built(case: &Case, build: crate::bench::Build<'_>, words: &[&str]) -> Result<()> {
    let out = case.folder.join("result");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let to = format!("type=local,dest={}", out.display());
    build
        .on(case.bench.cut_off()?)
        .with(&["--output", &to])
        .with(words)
        .run()?
        .executed()?;
    for (name, content) in [
        ("shell", "shell"),
        ("quoted", "it's\n"),
        ("exec", "exec"),
        ("heredoc", "heredoc"),
    ] {
        assert_eq!(case.read(&format!("result/{name}"))?, content, "{name}");
    }
    Ok(())
}

fn image(case: &Case) -> Result<()> {
    let (_, dockerfile) = recorded(case)?;
    let store = store_image(case, &dockerfile)?;
    let context = format!("verified-store=docker-image://{}", store.pinned());
    built(
        case,
        case.build(&dockerfile)?,
        &["--build-context", &context],
    )?;
    let context = format!("verified-store=docker-image://{}", store.tagged());
    case.build(&dockerfile)?
        .with(&["--build-context", &context])
        .run()?
        .failed(&["by its digest"])?;
    // Another image is no store of these steps.
    let other = case.base("other")?;
    let context = format!("verified-store=docker-image://{}", other.pinned());
    case.build(&dockerfile)?
        .with(&["--build-context", &context])
        .run()?
        .failed(&["cannot be had as recorded", "No such file"])?;
    Ok(())
}

fn layout(case: &Case) -> Result<()> {
    let (_, dockerfile) = recorded(case)?;
    let store = store_image(case, &dockerfile)?;
    let registry = &case.bench.registry;
    let manifest = registry.manifest(&store.path, &store.digest)?;
    let blob = |digest: &str, bytes: &[u8]| {
        case.file(&format!("layout/blobs/{}", digest.replace(':', "/")), bytes)
    };
    blob(&store.digest, &manifest.bytes)?;
    let about: serde_json::Value = serde_json::from_slice(&manifest.bytes)?;
    let layers = about["layers"].as_array().cloned().unwrap_or_default();
    for descriptor in layers.iter().chain([&about["config"]]) {
        let digest = descriptor["digest"].as_str().ok_or("no digest")?;
        blob(digest, &registry.blob(&store.path, digest)?.bytes)?;
    }
    let index = json!({ "schemaVersion": 2, "manifests": [manifest.descriptor()] });
    case.file("layout/index.json", index.to_string())?;
    case.file("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let path = case.folder.join("layout");
    let context = format!(
        "verified-store=oci-layout://{}@{}",
        path.display(),
        store.digest
    );
    let words = ["--build-context", context.as_str()];
    // Where images are in a graph driver, so that they have no attestations, the daemon reads no layouts: docs/replay.md.
    if !case.bench.engine.has_attestations()? {
        let outcome = case.build(&dockerfile)?.with(&words).run()?;
        outcome.failed(&["unknown scheme oci-layout"])?;
        return Ok(());
    }
    built(case, case.build(&dockerfile)?, &words)
}

fn rewritten(case: &Case) -> Result<()> {
    let (base, dockerfile) = recorded(case)?;
    let store = store_image(case, &dockerfile)?;
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"));
        command.args(words).current_dir(&case.folder);
        command.envs(case.bench.engine.variables());
        if let Some(programs) = case.bench.engine.programs() {
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        process::run(&mut command, &[], TOOL_LIMIT)
    };
    let text = run(&["rewrite", "--store", &store.pinned()])?
        .success()?
        .stdout;
    assert_eq!(
        text.matches("/dev/verified-dockerfile/replay").count(),
        3,
        "{text}"
    );
    assert!(!text.contains("syntax="), "{text}");
    built(case, case.stock(&text)?, &[])?;
    // The diff says what each step is served.
    case.build(&dockerfile)?;
    let told = run(&["diff"])?.stdout;
    assert_eq!(
        told.matches("served from 1 recorded files, ").count(),
        3,
        "{told}"
    );
    // A tag is no store, nor is an image that the policy does not let in.
    let unpinned = run(&["rewrite", "--store", &store.tagged()])?;
    assert!(
        unpinned.stdout.is_empty() && unpinned.stderr.contains("has no digest"),
        "{}",
        unpinned.stderr
    );
    case.policy(&[
        accept("image", &base.repository),
        accept("http", "http://**"),
    ])?;
    let refused = run(&["rewrite", "--store", &store.pinned()])?;
    assert!(
        refused.stdout.is_empty() && refused.stderr.contains("the store "),
        "{}",
        refused.stderr
    );
    // What no policy lets in, no text serves.
    case.policy(&[accept(
        "image",
        &format!("{}/**", case.bench.engine.registry),
    )])?;
    let refused = run(&["rewrite", "--store", &store.pinned()])?;
    assert!(
        refused.stdout.is_empty() && refused.stderr.contains("it downloads http://"),
        "{}",
        refused.stderr
    );
    Ok(())
}

fn thousands(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let web = &case.bench.web;
    let mut url = String::new();
    for number in 0..2_200 {
        url = web.put(
            &format!("/stores/many/{number}"),
            format!("{number}").as_bytes(),
        );
    }
    let url = url.trim_end_matches("2199");
    case.policy(&[
        accept("image", &base.repository),
        accept("http", "http://**"),
    ])?;
    let dockerfile = format!(
        "FROM {}\nRUN mkdir /many && i=0; while [ $i -lt 2200 ]; do wget -q -O /many/$i {url}$i || exit 1; i=$((i+1)); done\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    let out = case.folder.join("result");
    let to = format!("type=local,dest={}", out.display());
    let context = format!("verified-store={}", store(case).display());
    let outcome = case
        .build(&dockerfile)?
        .on(case.bench.cut_off()?)
        .with(&["--output", &to, "--build-context", &context])
        .run()?
        .executed()?;
    assert_eq!(fs::read_dir(out.join("many"))?.count(), 2_200);
    assert_eq!(case.read("result/many/2199")?, "2199");
    let steps = outcome.output.matches("[verified] check what").count();
    assert!(steps > 0 && steps < 10, "{steps} lines about it");
    Ok(())
}
