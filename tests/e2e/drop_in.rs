//! What builds without us builds with us, to the same result.

use engine::{Result, image::digest};
use serde_json::Value;
use verified_dockerfile::report::statement::PREDICATE_TYPE;

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, accept, allow, signed},
};

pub const TESTS: &[Test] = &[
    ("many_features_give_the_same_files", same_files),
    ("target_and_arguments", target_and_arguments),
    ("secrets", secrets),
    ("ignore_files", ignore_files),
    ("dockerfile_from_standard_input", standard_input),
    ("several_platforms", platforms),
    ("provenance_and_sbom_options", provenance),
    ("what_was_verified_is_attached", statement),
    ("outline_and_targets", outline),
    ("check_warns_at_the_right_line", check),
    ("diff_and_explain", diff_and_explain),
];

/// Many instructions in one file: through us the same tree comes out as through the stock frontend.
fn same_files(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let command =
        "--mount=type=cache,target=/cache echo cached > /cache/x && cp /cache/x /out-cache";
    case.policy(&[
        accept("image", &base.repository),
        allow("*", "network = \"allow\""),
    ])?;
    case.file("data/one", "1")?;
    case.file("data/two words", "2")?;
    let image = base.tagged();
    let dockerfile = format!(
        "ARG BASE={image}\nFROM ${{BASE}} AS build\nARG TARGETARCH\nENV A=b \\\n  # comment\n  C=\"d e\"\n\
         WORKDIR /work\nRUN <<EOF\nset -e\necho \"$A $C $TARGETARCH\" > env\nEOF\n\
         COPY <<\"TEXT\" <<OTHER /made/\nliteral $A\nTEXT\nexpanded $A\nOTHER\n\
         COPY [\"data/two words\", \"/work/two words\"]\nRUN {command}\n\
         RUN --mount=type=bind,target=/ctx --mount=type=tmpfs,target=/scratch cp /ctx/data/one /work/bound\n\
         SHELL [\"/bin/sh\", \"-ec\"]\nRUN echo shell > shell\nRUN [\"/bin/sh\", \"-c\", \"echo exec > exec\"]\n\
         FROM build AS second\nRUN echo second > second\n\
         FROM {image}\nCOPY --from=second --chown=1:1 --chmod=640 /work /work\nCOPY --from=0 /made /made\n\
         ADD --chmod=600 data /data\nCOPY --from=build /out-cache /\nUSER 1\nLABEL l=1\nEXPOSE 80\nVOLUME /v\nCMD [\"x\"]\n"
    );
    case.build_bytes(dockerfile.as_bytes())?
        .with(&["--output", "type=tar,dest=stock.tar"])
        .run()?
        .built()?;
    case.build(&dockerfile)?
        .with(&["--output", "type=tar,dest=ours.tar"])
        .run()?
        .built()?;
    let listing = |name: &str| -> Result<String> {
        let mut command = case.bench.engine.command("busybox");
        command
            .args(["tar", "-tvf", name])
            .current_dir(&case.folder);
        // Times differ: the two builds ran at different moments.
        let text = engine::process::run(&mut command, &[], std::time::Duration::from_secs(20))?
            .success()?
            .stdout;
        let columns = |line: &str| {
            let mut words: Vec<&str> = line.split_ascii_whitespace().collect();
            words.drain(3..words.len().min(5));
            words.join(" ")
        };
        Ok(text.lines().map(columns).collect::<Vec<_>>().join("\n"))
    };
    let (stock, ours) = (listing("stock.tar")?, listing("ours.tar")?);
    assert!(stock.contains("work/second"), "{stock}");
    assert_eq!(stock, ours);
    Ok(())
}

fn target_and_arguments(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let image = base.tagged();
    let dockerfile = format!(
        "FROM {image} AS one\nARG TEXT=default\nRUN echo $TEXT > /text\n{EXECUTE}\nFROM {image} AS two\nRUN false\n"
    );
    let words = [
        "--target",
        "one",
        "--build-arg",
        "TEXT=given",
        "--output",
        "type=local,dest=out",
    ];
    case.build(&dockerfile)?.with(&words).run()?.executed()?;
    assert_eq!(case.read("out/text")?, "given\n");
    Ok(())
}

fn secrets(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    case.file("secret", "hidden")?;
    let dockerfile = format!(
        "FROM {}\nRUN --mount=type=secret,id=s,target=/s test \"$(cat /s)\" = hidden\n{EXECUTE}\n",
        base.tagged()
    );
    case.build(&dockerfile)?
        .with(&["--secret", "id=s,src=secret"])
        .run()?
        .executed()?;
    let required = dockerfile.replace("target=/s", "target=/s,required=true");
    case.build(&required)?
        .run()?
        .refused("RUN --mount", &["secret"])?;
    Ok(())
}

fn ignore_files(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    for name in ["data/one", "data/two"] {
        case.file(name, name)?;
    }
    let dockerfile = format!("FROM {}\nCOPY data /data\n{EXECUTE}\n", base.tagged());
    let built = |out: &str| -> Result<(bool, bool)> {
        let words = ["--output".to_owned(), format!("type=local,dest={out}")];
        case.build(&dockerfile)?
            .with(&[&words[0], &words[1]])
            .run()?
            .built()?;
        let is_there = |name: &str| case.folder.join(out).join("data").join(name).exists();
        Ok((is_there("one"), is_there("two")))
    };
    case.file(".dockerignore", "data/one\nout*\n")?;
    assert_eq!(built("out1")?, (false, true));
    case.file("Dockerfile.dockerignore", "data/two\nout*\n")?;
    assert_eq!(built("out2")?, (true, false));
    Ok(())
}

fn standard_input(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    case.file("file", "from the context")?;
    let dockerfile = format!(
        "# syntax={}\nFROM {}\nCOPY file /file\n{EXECUTE}\n",
        case.bench.frontend,
        base.tagged()
    );
    let context = case.folder.to_string_lossy().into_owned();
    let policy = format!("verified-policy={context}");
    let words = [
        "--file=-",
        "--build-context",
        &policy,
        "--output",
        "type=local,dest=out",
    ];
    let build = case
        .build_of(&dockerfile, &context)
        .with(&words)
        .input(dockerfile.as_bytes());
    build.run()?.executed()?;
    assert_eq!(case.read("out/file")?, "from the context");
    Ok(())
}

fn platforms(case: &Case) -> Result<()> {
    if !case.bench.engine.has_attestations()? {
        return Ok(());
    }
    let images = [
        case.busybox("amd64"),
        case.busybox("arm64").platform("linux/arm64"),
    ];
    let base = case.push_index("base", &images)?;
    case.policy(&[accept("image", &base.repository)])?;
    case.file("file", "content")?;
    let dockerfile = format!(
        "FROM {}\nARG TARGETARCH\nCOPY file /$TARGETARCH\n",
        base.tagged()
    );
    let words = [
        "--platform",
        "linux/amd64,linux/arm64",
        "--output",
        "type=local,dest=out",
    ];
    case.build(&dockerfile)?.with(&words).run()?.built()?;
    for name in ["amd64", "arm64"] {
        assert!(
            case.read(&format!("out/linux_{name}/etc/mark"))?
                .contains(name)
        );
        assert_eq!(case.read(&format!("out/linux_{name}/{name}"))?, "content");
    }
    Ok(())
}

fn provenance(case: &Case) -> Result<()> {
    if !case.bench.engine.has_attestations()? {
        return Ok(());
    }
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let words = ["--provenance=mode=max", "--output", "type=oci,dest=out.tar"];
    case.build(&dockerfile)?.with(&words).run()?.executed()?;
    let archive = std::fs::read(case.folder.join("out.tar"))?;
    let text = String::from_utf8_lossy(&archive);
    let digest = base.digest.trim_start_matches("sha256:");
    assert!(
        text.contains("slsa.dev/provenance") && text.contains(digest),
        "it tells the base image's digest"
    );
    Ok(())
}

/// What was verified goes where BuildKit's own provenance goes, and nowhere else.
fn statement(case: &Case) -> Result<()> {
    if !case.bench.engine.has_attestations()? {
        return Ok(());
    }
    let base = case.signed_base("base", Format::Tag)?;
    case.policy(&[signed(&base.repository, &["base"])])?;
    let policy = digest(case.read("verified.toml")?.as_bytes());
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let build = |words: &[&str]| case.build(&dockerfile)?.with(words).run()?.built();

    build(&["--provenance=mode=max", "--output=type=local,dest=out"])?;
    let statement: Value = serde_json::from_str(&case.read("out/verified-dockerfile.json")?)?;
    assert_eq!(statement["predicateType"], PREDICATE_TYPE);
    let predicate = &statement["predicate"];
    let fetch = &predicate["fetches"][0];
    assert_eq!(predicate["fetches"].as_array().map(Vec::len), Some(1));
    assert_eq!(fetch["line"], 2);
    assert_eq!(fetch["reference"], base.tagged());
    assert_eq!(fetch["pin"], base.digest);
    assert_eq!(fetch["verdict"], "verified");
    let ground = &fetch["grounds"][0];
    assert_eq!(ground["key"], "base");
    assert_eq!(ground["proof"], "cosign-signature");
    assert_eq!(ground["rule"]["match"], base.repository);
    assert_eq!(predicate["settings"][0]["name"], "verified.toml");
    let told = &predicate["settings"][0]["digest"]["sha256"];
    assert_eq!(*told, policy.trim_start_matches("sha256:"));

    let repository = format!("{}-built", base.path);
    let push = format!(
        "--output=type=image,name={}/{repository}:latest,push=true",
        case.bench.engine.registry
    );
    // By default buildx asks for provenance where it costs nothing.
    build(&[&push])?;
    let index = case.bench.registry.manifest(&repository, "latest")?;
    let index: Value = serde_json::from_slice(&index.bytes)?;
    let attested = index["manifests"][1]["digest"]
        .as_str()
        .ok_or("no attestations")?;
    let attested = case.bench.registry.manifest(&repository, attested)?;
    assert!(
        String::from_utf8_lossy(&attested.bytes).contains(PREDICATE_TYPE),
        "it is attached to what is pushed"
    );
    build(&["--output=type=local,dest=plain"])?;
    assert!(!case.folder.join("plain/verified-dockerfile.json").exists());
    build(&["--provenance=false", &push])?;
    let manifest = case.bench.registry.manifest(&repository, "latest")?;
    let manifest: Value = serde_json::from_slice(&manifest.bytes)?;
    assert!(
        manifest["layers"].is_array(),
        "no index is made for it: {manifest}"
    );
    Ok(())
}

fn outline(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let dockerfile = format!(
        "FROM {} AS one\n# ARG TEXT is documented\nARG TEXT=x\nFROM one AS two\nRUN echo $TEXT\n",
        base.tagged()
    );
    case.policy(&[accept("image", &base.repository)])?;
    let outline = case.call(&dockerfile, "outline")?.built()?;
    assert!(outline.stdout.contains("TEXT"), "{}", outline.stdout);
    let targets = case.call(&dockerfile, "targets")?.built()?;
    assert!(
        targets.stdout.contains("one") && targets.stdout.contains("two"),
        "{}",
        targets.stdout
    );
    Ok(())
}

fn check(case: &Case) -> Result<()> {
    if !case.bench.engine.has_call()? {
        return Ok(());
    }
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let dockerfile = format!("FROM {} as one\n{EXECUTE}\nCMD echo x\n", base.tagged());
    let outcome = case.build(&dockerfile)?.with(&["--check"]).run()?;
    assert!(
        outcome.stdout.contains("FromAsCasing") && outcome.stdout.contains("Dockerfile:2"),
        "{outcome:?}"
    );
    Ok(())
}

fn diff_and_explain(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let diff = case.call(&dockerfile, "diff")?.built()?;
    let pinned = format!("+FROM {}@{}", base.tagged(), base.digest);
    assert!(
        diff.stdout.contains(&pinned) && diff.stdout.contains("+RUN --network=none"),
        "{}",
        diff.stdout
    );
    let explain = case.call(&dockerfile, "explain")?.built()?;
    assert!(explain.stdout.contains(&base.digest), "{}", explain.stdout);
    Ok(())
}
