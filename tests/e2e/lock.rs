//! `lock` on a Dockerfile whose steps download: fetches are fixed, and steps recorded, by one call.

use std::{fs, process::Command};

use engine::{Result, process};
use verified_dockerfile::lock::Lock;

use crate::{
    Test,
    bench::{Case, TOOL_LIMIT, accept},
    replay::{any_url, replay, store},
};

pub const TESTS: &[Test] = &[
    ("lock_records_what_steps_download", steps),
    ("the_image_is_the_command_in_a_folder_of_the_user", image),
];

/// Exit code, and all that is printed.
fn lock(case: &Case, words: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"));
    command
        .args(["lock", "--store"])
        .arg(store(case))
        .args(words)
        .arg("Dockerfile")
        .current_dir(&case.folder);
    for (name, value) in case.bench.engine.variables() {
        command.env(name, value);
    }
    if let Some(programs) = case.bench.engine.programs() {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs.display()));
    }
    let output = process::run(&mut command, &[], TOOL_LIMIT)?;
    Ok((
        output.status.code(),
        format!("{}{}", output.stdout, output.stderr),
    ))
}

fn steps(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/lock/download", b"first content");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let with = |text: &str| format!("# syntax={}\n{text}", case.bench.frontend);
    let dockerfile = format!("FROM {}\nRUN wget -O /file {url}\n", base.tagged());
    case.file("Dockerfile", with(&dockerfile))?;
    case.file(".dockerignore", "store\nresult\n")?;

    let (code, told) = lock(case, &["--check"])?;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no recording of it"), "{told}");
    assert_eq!(case.bench.web.hits("/lock/download"), 0);

    let (code, told) = lock(case, &[])?;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("1 added") && told.contains("+ RUN wget -O /file"),
        "{told}"
    );
    let text = fs::read(case.folder.join("Dockerfile.lock"))?;
    let read = Lock::parse(&text, "lock").map_err(|error| error.message)?;
    assert_eq!((read.entries().count(), read.runs().count()), (1, 1));

    // Everything is there: nothing is run, and the build needs nobody.
    case.bench.web.put("/lock/download", b"other content");
    for words in [&[][..], &["--check"]] {
        let (code, told) = lock(case, words)?;
        assert_eq!(code, Some(0), "{told}");
    }
    assert_eq!(case.bench.web.hits("/lock/download"), 1);
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/file")?, "first content");

    // Renewed, with what is different.
    case.file("Dockerfile", with(&dockerfile))?;
    let (code, told) = lock(case, &["--update"])?;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("~ RUN wget")
            && told.contains(&format!("~ {url}"))
            && told.contains("-> sha256:"),
        "{told}"
    );
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/file")?, "other content");

    // Without the step its recording goes.
    case.file("Dockerfile", with(&format!("FROM {}\n", base.tagged())))?;
    let (code, told) = lock(case, &["--prune"])?;
    assert_eq!(code, Some(0), "{told}");
    let text = fs::read(case.folder.join("Dockerfile.lock"))?;
    let read = Lock::parse(&text, "lock").map_err(|error| error.message)?;
    assert_eq!((read.entries().count(), read.runs().count()), (1, 0));
    Ok(())
}

fn image(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    case.file("Dockerfile", format!("FROM {}\n", base.tagged()))?;
    let check = || -> Result<(Option<i32>, String)> {
        // Copied, not mounted: the engine may have other folders than the test.
        let docker = |words: &[&str]| {
            let mut command = case.bench.engine.command("docker");
            process::run(command.args(words), &[], TOOL_LIMIT)
        };
        let made = docker(&["create", &case.bench.frontend, "check"])?.success()?;
        let container = made.stdout.trim();
        let from = format!("{}/.", case.folder.display());
        docker(&["cp", &from, &format!("{container}:/src")])?.success()?;
        let output = docker(&["start", "--attach", container])?;
        docker(&["rm", container])?.success()?;
        Ok((
            output.status.code(),
            format!("{}{}", output.stdout, output.stderr),
        ))
    };
    let (code, told) = check()?;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("error[VD003]") && told.contains("Dockerfile:1:6"),
        "{told}"
    );
    let (code, told) = lock(case, &[])?;
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = check()?;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("1 Dockerfile, 1 fetch: 0 findings"), "{told}");
    Ok(())
}
