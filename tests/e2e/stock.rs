//! The bench itself, shown with the stock frontend: what its checks tell apart.

use engine::Result;

use crate::{
    Test,
    bench::{Case, EXECUTE, Format},
};

pub const TESTS: &[Test] = &[
    ("a_build_executes", a_build_executes),
    ("a_failing_build_is_seen", a_failing_build_is_seen),
    ("steps_reach_the_web_server", steps_reach_the_web_server),
    ("git_is_served", git_is_served),
    ("cosign_signs_both_ways", cosign_signs_both_ways),
];

fn a_build_executes(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    case.build_bytes(dockerfile.as_bytes())?.run()?.executed()?;
    let outcome = case.build_bytes(dockerfile.as_bytes())?.run()?;
    assert!(
        outcome.failed(&[]).is_err(),
        "a build that succeeds is no failure"
    );
    Ok(())
}

fn a_failing_build_is_seen(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let before = format!("FROM {}\nCOPY nothing /\n{EXECUTE}\n", base.tagged());
    let build = |text: &str| case.build_bytes(text.as_bytes())?.run();
    build(&before)?.refused("COPY nothing", &["/nothing"])?;
    assert!(
        build(&before)?.refused("FROM", &[]).is_err(),
        "another line is marked"
    );
    assert!(
        build(&before)?.failed(&["something else"]).is_err(),
        "it does not say so"
    );
    let after = format!("FROM {}\n{EXECUTE}\nRUN false\n", base.tagged());
    assert!(
        build(&after)?.failed(&[]).is_err(),
        "a command was executed"
    );
    Ok(())
}

fn steps_reach_the_web_server(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case
        .bench
        .web
        .put("/steps_reach_the_web_server", b"content");
    let dockerfile = format!(
        "FROM {}\nADD {url} /file\nRUN wget -O - {url}\n{EXECUTE}\n",
        base.tagged()
    );
    case.build_bytes(dockerfile.as_bytes())?.run()?.executed()?;
    assert!(
        case.bench.web.hits("/steps_reach_the_web_server") >= 2,
        "asked for by ADD and RUN"
    );
    let cut_off = dockerfile.replace("RUN wget", "RUN --network=none wget");
    case.build_bytes(cut_off.as_bytes())?
        .run()?
        .failed(&["unreachable"])?;
    Ok(())
}

fn git_is_served(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let dockerfile = format!("FROM {}\nCOPY Dockerfile /\n{EXECUTE}\n", base.tagged());
    let repository = case.git(&[("Dockerfile", dockerfile.as_bytes())])?;
    case.build_of(&dockerfile, &repository.url)
        .run()?
        .executed()?;
    let pinned = format!("{}#{}", repository.url, repository.commit);
    case.build_of(&dockerfile, &pinned).run()?.built()?;
    Ok(())
}

fn cosign_signs_both_ways(case: &Case) -> Result<()> {
    let image = case.base("image")?;
    let tag = image.digest.replace(':', "-");
    case.sign(&image, "base", Format::Tag)?;
    case.bench
        .registry
        .manifest(&image.path, &format!("{tag}.sig"))?;
    case.sign(&image, "base", Format::Bundle)?;
    case.bench.registry.manifest(&image.path, &tag)?;
    Ok(())
}
