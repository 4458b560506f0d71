//! Bad input and bad servers: a clear error, within bounded time.

use std::time::{Duration, Instant};

use engine::Result;

use crate::{
    Test,
    bench::{Case, EXECUTE, Format, accept, signed},
    web::{Answer, Web},
};

/// More than any of these may take, with all engines and tests busy.
const SOON: Duration = Duration::from_secs(150);

pub const TESTS: &[Test] = &[
    ("policy_truncated", |case| {
        policy(case, "version = 1\n[[image]\n", "verified.toml:2")
    }),
    ("policy_unknown_key", |case| {
        policy(case, "version = 1\nunknown = 2\n", "verified.toml:2")
    }),
    ("policy_wrong_type", |case| {
        policy(case, "version = \"1\"\n", "verified.toml:1")
    }),
    ("policy_duplicate", |case| {
        policy(case, "version = 1\nversion = 1\n", "verified.toml:2")
    }),
    ("policy_leaves_its_folder", |case| {
        policy(
            case,
            "version = 1\n[keys.k]\ncosign = \"../base.pub\"\n",
            "verified.toml:3",
        )
    }),
    ("lock_truncated", |case| {
        lock(case, "version = 1\n[[image]\n", "Dockerfile.lock:2")
    }),
    ("lock_unknown_key", |case| {
        lock(case, "version = 1\nunknown = 2\n", "Dockerfile.lock:2")
    }),
    ("lock_wrong_type", |case| {
        lock(case, "version = \"1\"\n", "Dockerfile.lock:1")
    }),
    ("registry_401", |case| registry(case, "401 Unauthorized")),
    ("registry_429", |case| {
        registry(case, "429 Too Many Requests")
    }),
    ("registry_500", |case| {
        registry(case, "500 Internal Server Error")
    }),
    ("registry_garbage", |case| {
        registry_answers(case, Answer::Garbage(b"\0\xff\r\n\r\n"))
    }),
    ("registry_never", |case| {
        registry_answers(case, Answer::Never)
    }),
    ("signatures_500", |case| {
        no_signatures(
            case,
            Answer::Full("500 Internal Server Error", String::new(), Vec::new()),
        )
    }),
    ("signatures_garbage", |case| {
        let header = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n".to_owned();
        no_signatures(
            case,
            Answer::Full("200 OK", header, b"{\"schemaVersion\":".to_vec()),
        )
    }),
    ("signatures_never", |case| {
        no_signatures(case, Answer::Never)
    }),
];

/// Builds through us without the file itself saying so.
fn build(case: &Case, dockerfile: &[u8]) -> Result<String> {
    let start = Instant::now();
    let syntax = format!("BUILDKIT_SYNTAX={}", case.bench.frontend);
    let outcome = case
        .build_bytes(dockerfile)?
        .with(&["--build-arg", &syntax])
        .run()?
        .failed(&[])?;
    let (took, output) = (start.elapsed(), outcome.output);
    assert!(took < SOON, "took {} s", took.as_secs());
    // A frontend that dies leaves BuildKit to guess: its own words are then all there is.
    for trace in [
        "panicked",
        "did not complete successfully",
        "no result returned",
        "transport is closing",
    ] {
        assert!(!output.contains(trace), "{output}");
    }
    Ok(output)
}

fn policy(case: &Case, text: &str, place: &str) -> Result<()> {
    let base = case.base("base")?;
    case.file(
        "verified.toml",
        format!("{text}{}", accept("image", &base.repository)),
    )?;
    let output = build(
        case,
        format!("FROM {}\n{EXECUTE}\n", base.tagged()).as_bytes(),
    )?;
    assert!(output.contains(place), "{output}");
    Ok(())
}

fn lock(case: &Case, text: &str, place: &str) -> Result<()> {
    let base = case.base("base")?;
    case.policy(&[accept("image", &base.repository)])?;
    let reference = base.tagged();
    let entry = format!(
        "[[image]]\nreference = \"{reference}\"\ndigest = \"{}\"\n",
        base.digest
    );
    case.file("Dockerfile.lock", format!("{text}{entry}"))?;
    let output = build(case, format!("FROM {reference}\n{EXECUTE}\n").as_bytes())?;
    assert!(output.contains(place), "{output}");
    Ok(())
}

fn registry(case: &Case, status: &'static str) -> Result<()> {
    registry_answers(
        case,
        Answer::Full(status, String::new(), b"{\"errors\":[]}".to_vec()),
    )
}

/// A base image in a registry that answers everything alike.
fn registry_answers(case: &Case, answer: Answer) -> Result<()> {
    let web = Web::answering(case.bench.engine.address, move |_| answer.clone())?;
    let image = format!("{}/some/image", web.host());
    case.policy(&[accept("image", &image)])?;
    let output = build(case, format!("FROM {image}\n{EXECUTE}\n").as_bytes())?;
    assert!(output.contains(&image), "{output}");
    assert!(web.hits("/v2/") > 0);
    Ok(())
}

/// A registry that has the image, and answers alike whenever it is asked for signatures.
fn no_signatures(case: &Case, answer: Answer) -> Result<()> {
    let image = case.signed_base("base", Format::Tag)?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let behind = case.bench.engine.registry.clone();
    let hex = image.digest.trim_start_matches("sha256:").to_owned();
    let web = Web::answering(case.bench.engine.address, move |request| {
        let asks_for_signature = request.target.contains("/referrers/")
            || request.target.contains(&format!("sha256-{hex}"));
        if asks_for_signature {
            return answer.clone();
        }
        relay(&agent, &behind, request.method == "HEAD", &request.target)
            .unwrap_or(Answer::Garbage(b""))
    })?;
    let repository = format!("{}/{}", web.host(), image.path);
    let rule = format!(
        "{}signed-as = \"{}\"\n",
        signed(&repository, &["base"]),
        image.repository
    );
    case.policy(&[rule])?;
    let output = build(
        case,
        format!("FROM {repository}:latest\n{EXECUTE}\n").as_bytes(),
    )?;
    assert!(output.contains(&repository), "{output}");
    assert!(
        web.hits("sha256-") + web.hits("/referrers/") > 0,
        "it was asked for signatures"
    );
    Ok(())
}

fn relay(agent: &ureq::Agent, host: &str, head: bool, target: &str) -> Result<Answer> {
    let types =
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let url = format!("http://{host}{target}");
    let request = if head {
        agent.head(&url)
    } else {
        agent.get(&url)
    };
    let mut answer = request.header("Accept", types).call()?;
    let mut headers = String::new();
    for name in ["Content-Type", "Docker-Content-Digest"] {
        if let Some(value) = answer.headers().get(name) {
            headers.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
    }
    let status = if answer.status() == 200 {
        "200 OK"
    } else {
        "404 Not Found"
    };
    if head {
        // The length of what a GET would give.
        let url = url.clone();
        let body = agent
            .get(&url)
            .header("Accept", types)
            .call()?
            .body_mut()
            .read_to_vec()?;
        return Ok(Answer::Full(status, headers, body));
    }
    Ok(Answer::Full(
        status,
        headers,
        answer.body_mut().read_to_vec()?,
    ))
}
