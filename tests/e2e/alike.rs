//! What a build through us shows and leaves is what the stock frontend shows and leaves: each file is built by both.

use std::os::unix::net::UnixListener;

use engine::{Result, process::run};

use crate::{
    Test,
    bench::{Case, Outcome, TOOL_LIMIT, accept, allow},
};

pub const TESTS: &[Test] = &[
    ("errors_are_those_of_the_stock_frontend", errors),
    ("answers_are_those_of_the_stock_frontend", answers),
    ("images_are_described_as_by_the_stock_frontend", images),
    ("ssh_agents", ssh),
];

/// The same build by the stock frontend and by us, with a policy that accepts everything by its digest.
fn both(case: &Case, dockerfile: &str, words: &[&str]) -> Result<[Outcome; 2]> {
    case.policy(&[
        accept("image", "**"),
        allow("*", "network = \"allow\"\nssh = \"allow\""),
    ])?;
    let ours = format!("--build-arg=BUILDKIT_SYNTAX={}", case.bench.frontend);
    let build = |words: &[&str]| case.build_bytes(dockerfile.as_bytes())?.with(words).run();
    Ok([build(words)?, build(&[words, &[ours.as_str()]].concat())?])
}

/// Errors while a file is read, converted and run: the same words, and the same excerpt of the user's own file.
fn errors(case: &Case) -> Result<()> {
    let base = case.base("base")?.tagged();
    case.file("a.txt", "a")?;
    let cases: [(&str, &[&str]); 14] = [
        ("FETCH x", &[]),
        ("RUN --mount=type=other true", &[]),
        ("RUN --mount=type=bind,fro=x true", &[]),
        ("COPY a.txt", &[]),
        ("ENV a", &[]),
        ("COPY nothing /", &[]),
        ("COPY --from=tw /x /", &["--target=tw"]),
        ("FROM $NONE", &[]),
        ("ARG A\nCOPY ${A:?must be set} /", &[]),
        (
            "RUN echo one && \\\n    # comment\n    exit 3\nCOPY a.txt /",
            &[],
        ),
        ("RUN <<END\necho two\nexit 4\nEND", &[]),
        ("RUN [\"/bin/none\"]", &[]),
        ("RUN --mount=type=secret,id=s,required=true true", &[]),
        ("RUN --mount=type=ssh,required=true true", &[]),
    ];
    for (end, words) in cases {
        let dockerfile = format!("FROM {base} AS two\nWORKDIR /w\n{end}\n");
        let [stock, ours] = both(case, &dockerfile, words)?;
        let (stock, ours) = (told(stock)?, told(ours)?);
        assert_eq!(stock, ours, "{dockerfile}");
    }
    Ok(())
}

/// The end of a failed build's output: the excerpt and the error, without what is new in each build.
fn told(outcome: Outcome) -> Result<String> {
    let output = outcome.failed(&[])?.output;
    let lines: Vec<&str> = output.lines().collect();
    let error = lines
        .iter()
        .rposition(|line| line.starts_with("ERROR:"))
        .ok_or("there is no error")?;
    let start = lines
        .iter()
        .rposition(|line| line.starts_with("Dockerfile:"))
        .unwrap_or(error);
    // A snapshot's name is random.
    let known = |word: &&str| !word.contains("::");
    let line = |line: &&str| line.split(' ').filter(known).collect::<Vec<_>>().join(" ");
    Ok(lines[start..]
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n"))
}

/// `--check`, `--call=outline` and `--call=targets`.
fn answers(case: &Case) -> Result<()> {
    let base = case.base("base")?.tagged();
    let dockerfile = format!(
        "# the base\nARG BASE={base}\nFROM ${{BASE}} as one\n# ARG TEXT is documented\nARG TEXT=x\nMAINTAINER me\n\
         FROM --platform=linux/amd64 one AS Two\nENV a b\nRUN echo $TEXT $OTHER\nCMD echo hi\n"
    );
    let mut calls = vec![("--print", "outline"), ("--print", "targets")];
    if case.bench.engine.has_call()? {
        calls = ["outline", "targets", "check"]
            .map(|call| ("--call", call))
            .to_vec();
    }
    for (option, call) in calls {
        let [stock, ours] = both(case, &dockerfile, &[&format!("{option}={call}")])?;
        // A linter says what it finds in any order.
        let sorted = |outcome: &Outcome| {
            let mut lines: Vec<String> = outcome.stdout.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert!(!stock.stdout.is_empty(), "{call}: {}", stock.output);
        assert_eq!(sorted(&stock), sorted(&ours), "{call}");
        assert_eq!(stock.success, ours.success, "{call}");
    }
    Ok(())
}

/// Configuration and history name no pin and no network mode.
fn images(case: &Case) -> Result<()> {
    let (base, tools) = (case.base("base")?, case.base("tools")?.tagged());
    let names = ["stock", "ours"].map(|which| format!("{}-{which}", base.path));
    let base = base.tagged();
    case.file("a.txt", "a")?;
    let dockerfile = format!(
        "FROM {base} AS one\nARG V=1\nWORKDIR /x\nRUN --mount=type=cache,target=/c echo $V > one\nRUN <<END\necho > two\nEND\n\
         FROM {base}\nCOPY --link --from=one /x /x\nCOPY --from={tools} /etc/mark /tools\n\
         RUN --network=none --mount=type=bind,from={tools},target=/m cp /m/etc/mark /more\n\
         ADD --chmod=644 a.txt /\nCOPY <<END /here\ntext\nEND\nENV A=1 PATH=/q:$PATH\nLABEL l=$A\nEXPOSE 80/tcp\nVOLUME /v\n\
         HEALTHCHECK --interval=5s CMD true\nONBUILD RUN true\nUSER 5\nSTOPSIGNAL SIGINT\nENTRYPOINT [\"/bin/sh\"]\nCMD [\"-c\", \"true\"]\n"
    );
    let mut told = Vec::new();
    for (name, syntax) in names.iter().zip([None, Some(&case.bench.frontend)]) {
        case.policy(&[accept("image", "**"), allow("*", "network = \"allow\"")])?;
        let ours = syntax.map(|syntax| format!("--build-arg=BUILDKIT_SYNTAX={syntax}"));
        let mut words = vec!["--load", "--tag", name];
        words.extend(ours.as_deref());
        case.build_bytes(dockerfile.as_bytes())?
            .with(&words)
            .run()?
            .built()?;
        let config = docker(
            case,
            &["image", "inspect", "--format={{json .Config}}", name],
        )?;
        let lines = "--format={{.CreatedBy}}|{{.Comment}}";
        let history = docker(case, &["history", "--no-trunc", lines, name])?;
        docker(case, &["image", "rm", name])?;
        told.push((config, history));
    }
    assert!(told[0].1.contains("COPY /x /x"), "{}", told[0].1);
    assert_eq!(told[0], told[1]);
    Ok(())
}

fn docker(case: &Case, words: &[&str]) -> Result<String> {
    let mut command = case.bench.engine.command("docker");
    command.args(words);
    Ok(run(&mut command, &[], TOOL_LIMIT)?.success()?.stdout)
}

/// An agent's socket of the client is one in the step.
fn ssh(case: &Case) -> Result<()> {
    let base = case.base("base")?.tagged();
    let _agent = UnixListener::bind(case.folder.join("agent"))?;
    let dockerfile = format!(
        "FROM {base}\nRUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\" && echo socket-$((6*7))\n"
    );
    for outcome in both(case, &dockerfile, &["--no-cache", "--ssh=default=agent"])? {
        let output = outcome.built()?.output;
        assert!(output.contains("socket-42"), "{output}");
    }
    Ok(())
}
