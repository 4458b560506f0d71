//! Where the build comes from: named contexts, remote contexts, and which frontend reads it.

use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{Result, image::Tar};

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, accept, signed},
    web::{Answer, Web},
};

pub const TESTS: &[Test] = &[
    ("an_unsigned_image_for_the_base", unsigned_for_base),
    ("a_folder_for_the_base", folder_for_base),
    ("a_folder_under_a_new_name_builds", folder),
    ("a_git_context_is_rewritten", git_context),
    ("a_git_context_is_the_callers_own_choice", own_git_context),
    (
        "a_remote_context_does_not_hide_a_dockerfile",
        hidden_dockerfile,
    ),
    ("a_context_that_changes_is_read_once", changing_context),
    ("buildkit_syntax_needs_no_line", by_argument),
    (
        "the_line_of_another_frontend_is_not_followed",
        other_frontend,
    ),
    ("our_own_line_is_followed_once", no_recursion),
    ("an_organisation_is_asked_too", organisation),
];

fn unsigned_for_base(case: &Case) -> Result<()> {
    let base = case.signed_base("base", Format::Tag)?;
    let evil = case.base("evil")?;
    case.policy(&[signed(&base.repository, &["base"])])?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let swap = format!("{}=docker-image://{}", base.tagged(), evil.tagged());
    case.build(&dockerfile)?
        .with(&["--build-context", &swap])
        .run()?
        .refused("FROM", &[&evil.repository])?;
    case.build(&dockerfile)?.run()?.executed()?;
    Ok(())
}

fn folder_for_base(case: &Case) -> Result<()> {
    let base = case.signed_base("base", Format::Tag)?;
    case.policy(&[signed(&base.repository, &["base"])])?;
    case.file("evil/bin/sh", "#!/bin/sh\n")?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let swap = format!("{}=evil", base.tagged());
    case.build(&dockerfile)?
        .with(&["--build-context", &swap])
        .run()?
        .refused("FROM", &[&base.repository])?;
    Ok(())
}

fn folder(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    case.file("data/file", "from a folder")?;
    let dockerfile = format!(
        "FROM {}\nCOPY --from=data file /file\n{EXECUTE}\n",
        base.tagged()
    );
    let words = [
        "--build-context",
        "data=data",
        "--output",
        "type=local,dest=out",
    ];
    case.build(&dockerfile)?.with(&words).run()?.executed()?;
    assert_eq!(case.read("out/file")?, "from a folder");
    Ok(())
}

fn git_context(case: &Case) -> Result<()> {
    let base = case.signed_base("base", Format::Tag)?;
    let url = case.bench.web.put("/git_context", b"content");
    let text = |step: &str| {
        format!(
            "# syntax={}\nFROM {}\nCOPY file /\n{step}\n",
            case.bench.frontend,
            base.tagged()
        )
    };
    let repository = case.git(&[
        ("Dockerfile", text(EXECUTE).as_bytes()),
        ("file", b"content"),
    ])?;
    let policy = [
        signed(&base.repository, &["base"]),
        accept("git", &repository.url),
    ];
    case.file("policy/verified.toml", case.policy_text(&policy))?;
    case.copy_keys("policy/keys")?;
    let words = [
        "--build-context",
        &format!("verified-policy={}", case.folder.join("policy").display()),
    ];
    case.build_of(&text(EXECUTE), &repository.url)
        .with(&words)
        .run()?
        .executed()?;
    // What is built is what was rewritten: steps have no network.
    let dockerfile = text(&format!("RUN wget -O - {url}"));
    let repository = case.git(&[("Dockerfile", dockerfile.as_bytes())])?;
    case.build_of(&dockerfile, &repository.url)
        .with(&words)
        .run()?
        .refused("RUN wget", &[])?;
    assert_eq!(case.bench.web.hits("/git_context"), 0);
    Ok(())
}

/// The main context is named by whoever builds, as a folder is: it needs no rule. What its Dockerfile fetches does.
fn own_git_context(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let dockerfile = format!(
        "# syntax={}\nFROM {}\n{EXECUTE}\n",
        case.bench.frontend,
        base.tagged()
    );
    let repository = case.git(&[("Dockerfile", dockerfile.as_bytes())])?;
    case.policy(&[accept("image", &base.repository)])?;
    let words = [
        "--build-context",
        &format!("verified-policy={}", case.folder.display()),
    ];
    case.build_of(&dockerfile, &repository.url)
        .with(&words)
        .run()?
        .executed()?;
    case.policy(&[])?;
    case.build_of(&dockerfile, &repository.url)
        .with(&words)
        .run()?
        .failed(&[&base.repository])?;
    Ok(())
}

/// The Dockerfile comes from standard input, and the context has one of its own.
fn hidden_dockerfile(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let hidden = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let repository = case.git(&[
        ("Dockerfile", hidden.as_bytes()),
        ("file", b"from the context"),
    ])?;
    case.policy(&[
        accept("image", &base.repository),
        accept("git", &repository.url),
    ])?;
    let dockerfile = format!(
        "# syntax={}\nFROM {}\nCOPY file /file\n",
        case.bench.frontend,
        base.tagged()
    );
    let words = [
        "--build-context",
        &format!("verified-policy={}", case.folder.display()),
        "--file=-",
        "--output",
        "type=local,dest=out",
    ];
    let build = case
        .build_of(&dockerfile, &repository.url)
        .with(&words)
        .input(dockerfile.as_bytes());
    let outcome = build.run()?.built()?;
    assert!(
        outcome.executed().is_err(),
        "the Dockerfile of the context is not built"
    );
    assert_eq!(case.read("out/file")?, "from the context");
    Ok(())
}

/// A server that gives another archive whenever it is asked: Dockerfile and files are of the same one.
fn changing_context(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let head = format!("# syntax={}\nFROM {}\n", case.bench.frontend, base.tagged());
    let count = AtomicUsize::new(0);
    let first = head.clone();
    let web = Web::answering(case.bench.engine.address, move |request| {
        let time = if request.method == "GET" {
            count.fetch_add(1, Ordering::Relaxed)
        } else {
            count.load(Ordering::Relaxed)
        };
        let dockerfile = format!(
            "{first}COPY file /file\nRUN echo {time} > /built && test $(cat /file) = {time}\n"
        );
        let tar = Tar::new().file("Dockerfile", 0o644, dockerfile.as_bytes());
        let tar = tar.file("file", 0o644, time.to_string().as_bytes());
        let header = "Content-Type: application/x-tar\r\n".to_owned();
        Answer::Full("200 OK", header, tar.bytes())
    })?;
    let url = format!("http://{}/context.tar", web.host());
    case.policy(&[accept("image", &base.repository), accept("http", &url)])?;
    let policy = format!("verified-policy={}", case.folder.display());
    let words = [
        "--build-context",
        &policy,
        "--output",
        "type=local,dest=out",
    ];
    let outcome = case.build_of(&head, &url).with(&words).run()?;
    if outcome.success {
        assert_eq!(case.read("out/file")?, case.read("out/built")?.trim());
    }
    assert!(
        !outcome.output.contains("exit code"),
        "a step saw files of another archive:\n{}",
        outcome.output
    );
    assert!(web.hits("/context.tar") > 0);
    Ok(())
}

fn by_argument(case: &Case) -> Result<()> {
    let base = case.signed_base("base", Format::Tag)?;
    let evil = case.base("evil")?;
    case.policy(&[signed(&base.repository, &["base"])])?;
    let syntax = format!("BUILDKIT_SYNTAX={}", case.bench.frontend);
    let words = ["--build-arg", syntax.as_str()];
    let text = |image: &str| format!("FROM {image}\n{EXECUTE}\n");
    case.build_bytes(text(&base.tagged()).as_bytes())?
        .with(&words)
        .run()?
        .executed()?;
    case.build_bytes(text(&evil.tagged()).as_bytes())?
        .with(&words)
        .run()?
        .refused("FROM", &[&evil.repository])?;
    Ok(())
}

/// A line that names another frontend says that the file is not written for us.
fn other_frontend(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let other = format!("{}/other_frontend/image", case.bench.web.host());
    let dockerfile = format!("# syntax={other}\nFROM {}\n{EXECUTE}\n", base.tagged());
    let syntax = format!("BUILDKIT_SYNTAX={}", case.bench.frontend);
    let build = case
        .build_bytes(dockerfile.as_bytes())?
        .with(&["--build-arg", &syntax]);
    build.run()?.refused("# syntax", &[&other])?;
    assert_eq!(
        case.bench.web.hits("other_frontend"),
        0,
        "nobody asks for its image"
    );
    Ok(())
}

/// Our image is loaded once, as the frontend, and not again for the file that it hands on.
fn no_recursion(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let outcome = case
        .build(&format!("FROM {}\n{EXECUTE}\n", base.tagged()))?
        .run()?
        .executed()?;
    let ours = format!("docker-image://{}", case.bench.frontend);
    let mut loads: Vec<&str> = outcome
        .output
        .lines()
        .filter(|line| line.contains(&ours) && !line.contains("resolve"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    loads.dedup();
    assert_eq!(loads.len(), 1, "{}", outcome.output);
    Ok(())
}

/// A policy inside the image is asked besides the project's own.
fn organisation(case: &Case) -> Result<()> {
    let (allowed, other) = (case.base("allowed")?, case.base("other")?);
    let organisation = format!("version = 1\n{}", accept("image", &allowed.repository));
    let frontend = case.frontend_with_policy(&organisation)?;
    case.policy(&[
        accept("image", &allowed.repository),
        accept("image", &other.repository),
    ])?;
    let text = |image: &str| format!("# syntax={frontend}\nFROM {image}\n{EXECUTE}\n");
    case.build_bytes(text(&allowed.tagged()).as_bytes())?
        .run()?
        .executed()?;
    case.build_bytes(text(&other.tagged()).as_bytes())?
        .run()?
        .refused("FROM", &[&other.repository])?;
    case.policy(&[accept("image", &other.repository)])?;
    case.build_bytes(text(&allowed.tagged()).as_bytes())?
        .run()?
        .refused("FROM", &[&allowed.repository])?;
    Ok(())
}
