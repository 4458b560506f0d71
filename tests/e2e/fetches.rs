//! Locks, ADD of URLs, and git.

use engine::{Result, image::digest};

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, accept, signed},
};

pub const TESTS: &[Test] = &[
    ("a_moved_tag_builds_what_is_locked", moved_tag),
    ("a_lock_is_not_trusted_for_its_word", lock_is_judged),
    ("a_locked_build_takes_nothing_new", locked_only),
    ("add_url", add_url),
    ("add_of_a_changed_file", add_changed),
    ("add_with_a_checksum_of_its_own", add_checksum),
    ("add_git", add_git),
    ("add_git_moved_branch_builds_what_is_locked", add_git_locked),
];

fn moved_tag(case: &Case) -> Result<()> {
    let old = case.signed_base("base", Format::Tag)?;
    let new = case.push("base", &case.busybox("changed content"))?;
    case.sign(&new, "base", Format::Tag)?;
    case.policy(&[signed(&old.repository, &["base"])])?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", old.tagged());
    let built = |out: &str, lock: Option<&str>| -> Result<String> {
        if let Some(digest) = lock {
            let entry = format!(
                "version = 1\n[[image]]\nreference = \"{}\"\ndigest = \"{digest}\"\n",
                old.tagged()
            );
            case.file("Dockerfile.lock", entry)?;
        }
        case.build(&dockerfile)?
            .with(&["--no-cache", "--output", &format!("type=local,dest={out}")])
            .run()?
            .executed()?;
        case.read(&format!("{out}/etc/mark"))
    };
    assert!(
        built("out1", None)?.contains("changed content"),
        "without a lock the tag counts"
    );
    assert!(
        !built("out2", Some(&old.digest))?.contains("changed content"),
        "with a lock its digest counts"
    );
    Ok(())
}

/// A lock that names an image without a signature.
fn lock_is_judged(case: &Case) -> Result<()> {
    let signed_image = case.signed_base("base", Format::Tag)?;
    let unsigned = case.push("base", &case.busybox("unsigned"))?;
    case.push("base", &case.busybox("base"))?;
    case.policy(&[signed(&signed_image.repository, &["base"])])?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", signed_image.tagged());
    case.build(&dockerfile)?.run()?.executed()?;
    let reference = signed_image.tagged();
    let digest = &unsigned.digest;
    let entry = format!(
        "version = 1\n[[image]]\nreference = \"{reference}\"\ndigest = \"{digest}\"\nverified-by = [\"base\"]\n"
    );
    case.file("Dockerfile.lock", entry)?;
    case.build(&dockerfile)?.run()?.refused(
        "FROM",
        &[
            &signed_image.repository,
            &format!("the lock has it as {digest}, which was signed by `base` then"),
        ],
    )?;
    Ok(())
}

fn locked_only(case: &Case) -> Result<()> {
    let image = case.base("base")?;
    let locked = format!("locked = true\n{}", accept("image", &image.repository));
    case.file("verified.toml", format!("version = 1\n{locked}"))?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", image.tagged());
    case.build(&dockerfile)?.run()?.refused("FROM", &["lock"])?;
    let entry = format!(
        "version = 1\n[[image]]\nreference = \"{}\"\ndigest = \"{}\"\n",
        image.tagged(),
        image.digest
    );
    case.file("Dockerfile.lock", entry)?;
    case.build(&dockerfile)?.run()?.executed()?;
    Ok(())
}

fn add_url(case: &Case) -> Result<()> {
    let image = case.base("base")?;
    let url = case.bench.web.put("/add_url", b"the content");
    let dockerfile = format!("FROM {}\nADD {url} /file\n{EXECUTE}\n", image.tagged());
    case.policy(&[accept("image", &image.repository)])?;
    case.build(&dockerfile)?.run()?.refused("ADD", &[&url])?;
    case.policy(&[accept("image", &image.repository), accept("http", &url)])?;
    case.build(&dockerfile)?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/file")?, "the content");
    Ok(())
}

fn add_changed(case: &Case) -> Result<()> {
    // Bytes of its own: what another build, also of an earlier run, has fetched by the same digest is in the cache, rightly.
    let image = case.base("base")?;
    let was = format!("what was there of {}", image.digest);
    let url = case.bench.web.put("/add_changed", was.as_bytes());
    let dockerfile = format!("FROM {}\nADD {url} /file\n{EXECUTE}\n", image.tagged());
    case.policy(&[accept("image", &image.repository), accept("http", &url)])?;
    let lock = format!(
        "version = 1\n[[http]]\nurl = \"{url}\"\ndigest = \"{}\"\n",
        digest(was.as_bytes())
    );
    case.file("Dockerfile.lock", lock)?;
    case.bench.web.put("/add_changed", b"what changed");
    case.build(&dockerfile)?
        .run()?
        .refused("ADD", &[&digest(was.as_bytes())])?;
    case.bench.web.put("/add_changed", was.as_bytes());
    case.build(&dockerfile)?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/file")?, was);
    Ok(())
}

fn add_checksum(case: &Case) -> Result<()> {
    let image = case.base("base")?;
    let url = case.bench.web.put("/add_checksum", b"the content");
    case.policy(&[accept("image", &image.repository), accept("http", &url)])?;
    let dockerfile = |sum: &str| {
        format!(
            "FROM {}\nADD --checksum={sum} {url} /file\n{EXECUTE}\n",
            image.tagged()
        )
    };
    case.build(&dockerfile(&digest(b"the contenT")))?
        .run()?
        .refused("ADD", &[&digest(b"the contenT")])?;
    case.build(&dockerfile(&digest(b"the content")))?
        .run()?
        .executed()?;
    Ok(())
}

fn add_git(case: &Case) -> Result<()> {
    let image = case.base("base")?;
    let repository = case.git(&[("file", b"from git")])?;
    let dockerfile = format!(
        "FROM {}\nADD {}#main /source\n{EXECUTE}\n",
        image.tagged(),
        repository.url
    );
    case.policy(&[accept("image", &image.repository)])?;
    case.build(&dockerfile)?
        .run()?
        .refused("ADD", &[&repository.url])?;
    case.policy(&[
        accept("image", &image.repository),
        accept("git", &repository.url),
    ])?;
    case.build(&dockerfile)?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/source/file")?, "from git");
    Ok(())
}

fn add_git_locked(case: &Case) -> Result<()> {
    let image = case.base("base")?;
    let old = case.git(&[("file", b"old")])?;
    case.git(&[("file", b"new")])?;
    case.policy(&[accept("image", &image.repository), accept("git", &old.url)])?;
    let dockerfile = format!(
        "FROM {}\nADD {}#main /source\n{EXECUTE}\n",
        image.tagged(),
        old.url
    );
    let entry = format!(
        "version = 1\n[[git]]\nremote = \"{}\"\nref = \"main\"\ncommit = \"{}\"\n",
        old.url, old.commit
    );
    case.file("Dockerfile.lock", entry)?;
    case.build(&dockerfile)?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/source/file")?, "old");
    Ok(())
}
