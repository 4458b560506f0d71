//! RUN steps, and what a base image brings with it.

use engine::{
    Result,
    image::{Image, Tar},
};
use serde_json::json;

use crate::{
    Test,
    bench::{Case, EXECUTE, accept, allow},
};

pub const TESTS: &[Test] = &[
    ("a_step_has_no_network", no_network),
    ("a_step_has_the_network_that_a_rule_gives", network_by_rule),
    ("host_network_is_refused", host_network),
    ("insecure_is_refused", insecure),
    ("onbuild_run_has_no_network", onbuild_run),
    ("onbuild_add_is_refused", onbuild_add),
    ("onbuild_copy_from_is_refused", onbuild_copy_from),
    ("a_base_without_layers_is_judged", base_without_layers),
    ("a_failing_step_shows_its_line", failing_step),
];

fn no_network(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/no_network", b"content");
    case.policy(&[accept("image", &base.repository)])?;
    let dockerfile = format!("FROM {}\nRUN wget -O - {url}\n{EXECUTE}\n", base.tagged());
    case.build(&dockerfile)?.run()?.refused("RUN wget", &[])?;
    let offline = format!("FROM {}\nRUN ! wget -O - {url}\n{EXECUTE}\n", base.tagged());
    case.build(&offline)?.run()?.executed()?;
    // Whoever asks for a network in the Dockerfile does not get it either.
    let asking = dockerfile.replace("RUN wget", "RUN --network=default wget");
    case.build(&asking)?.run()?.refused("RUN --network", &[])?;
    assert_eq!(case.bench.web.hits("/no_network"), 0);
    Ok(())
}

fn network_by_rule(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/network_by_rule", b"content");
    let command = format!("wget -O /file {url}");
    let dockerfile = format!("FROM {}\nRUN {command}\n{EXECUTE}\n", base.tagged());
    case.policy(&[
        accept("image", &base.repository),
        allow(&command, "network = \"allow\""),
    ])?;
    case.build(&dockerfile)?.run()?.executed()?;
    assert!(case.bench.web.hits("/network_by_rule") > 0);
    // The rule names the whole command.
    let more = dockerfile.replace("/file ", "/other ");
    case.build(&more)?.run()?.refused("RUN wget", &[])?;
    Ok(())
}

fn host_network(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let dockerfile = format!(
        "FROM {}\nRUN --network=host echo executed-$((6*7))\n",
        base.tagged()
    );
    let command = "echo executed-$((6*7))";
    let words = ["--allow", "network.host"];
    case.policy(&[accept("image", &base.repository)])?;
    case.build(&dockerfile)?
        .with(&words)
        .run()?
        .refused("RUN", &["network"])?;
    case.policy(&[
        accept("image", &base.repository),
        allow(command, "network = \"allow\""),
    ])?;
    case.build(&dockerfile)?
        .with(&words)
        .run()?
        .refused("RUN", &["host"])?;
    Ok(())
}

fn insecure(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let dockerfile = format!(
        "FROM {}\nRUN --security=insecure echo executed-$((6*7))\n",
        base.tagged()
    );
    case.policy(&[
        accept("image", &base.repository),
        allow("*", "network = \"allow\""),
    ])?;
    case.build(&dockerfile)?
        .run()?
        .refused("RUN", &["insecure"])?;
    Ok(())
}

fn onbuild_run(case: &Case) -> Result<()> {
    let url = case.bench.web.put("/onbuild_run", b"content");
    let trigger = format!("RUN wget -O - {url}");
    let base = case.push(
        "base",
        &case.busybox("base").with("OnBuild", json!([trigger])),
    )?;
    case.policy(&[accept("image", &base.repository)])?;
    case.build(&format!("FROM {}\n{EXECUTE}\n", base.tagged()))?
        .run()?
        .failed(&[])?;
    assert_eq!(case.bench.web.hits("/onbuild_run"), 0);
    Ok(())
}

fn onbuild_add(case: &Case) -> Result<()> {
    let url = case.bench.web.put("/onbuild_add", b"content");
    let base = case.push(
        "base",
        &case
            .busybox("base")
            .with("OnBuild", json!([format!("ADD {url} /file")])),
    )?;
    case.policy(&[accept("image", &base.repository)])?;
    case.build(&format!("FROM {}\n{EXECUTE}\n", base.tagged()))?
        .run()?
        .refused("FROM", &["trigger"])?;
    assert_eq!(case.bench.web.hits("/onbuild_add"), 0);
    Ok(())
}

fn onbuild_copy_from(case: &Case) -> Result<()> {
    let tools = case.base("tools")?;
    let trigger = format!("COPY --from={} /etc/mark /", tools.tagged());
    let base = case.push(
        "base",
        &case.busybox("base").with("OnBuild", json!([trigger])),
    )?;
    case.policy(&[accept("image", &base.repository)])?;
    case.build(&format!("FROM {}\n{EXECUTE}\n", base.tagged()))?
        .run()?
        .refused("FROM", &["trigger"])?;
    Ok(())
}

/// Such an image is nowhere in the graph that is built, only its configuration is used.
fn base_without_layers(case: &Case) -> Result<()> {
    let files = case.base("files")?;
    let empty = case.push(
        "empty",
        &Image::new().with("Env", json!(["PATH=/bin", "LD_PRELOAD=/evil.so"])),
    )?;
    let dockerfile = format!(
        "FROM {}\nCOPY --from={} / /\n{EXECUTE}\n",
        empty.tagged(),
        files.tagged()
    );
    case.policy(&[accept("image", &files.repository)])?;
    case.build(&dockerfile)?
        .run()?
        .refused("FROM", &[&empty.repository])?;
    case.policy(&[
        accept("image", &files.repository),
        accept("image", &empty.repository),
    ])?;
    case.build(&dockerfile)?.run()?.executed()?;
    Ok(())
}

fn failing_step(case: &Case) -> Result<()> {
    let script = Tar::new().file("fail", 0o755, b"#!/bin/sh\nexit 3\n");
    let base = case.push("base", &case.busybox("base").layer(&script))?;
    case.policy(&[accept("image", &base.repository)])?;
    let dockerfile = format!(
        "FROM {}\n\n# a comment\nRUN echo one\nRUN /fail\n{EXECUTE}\n",
        base.tagged()
    );
    case.build(&dockerfile)?
        .run()?
        .refused("RUN /fail", &["exit code: 3"])?;
    Ok(())
}
