//! The command line, one file per command. Exit codes: 0 clean, 1 findings, 2 could not run.

mod args;
mod check;
mod config;
mod diff;
mod explain;
mod init;
mod lock;
mod manual;
mod progress;
mod project;
mod record;
mod rewrite;
mod verify;
mod verify_bundle;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    replay::{self, launch},
    resolve::{bytes, git_dir, step},
    verify::attestation::Signed,
};
use args::{Cli, Command, Step, When};

/// Why a command could not run: what it was about, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct CannotRun {
    what: String,
    why: String,
}

impl CannotRun {
    fn new(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            why: why.to_string(),
        }
    }
}

/// Whether there was something to object to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clean {
    /// Nothing.
    Yes,
    /// Findings, or a difference that was asked for.
    No,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no failure.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    if let Err(error) = config::fill(&mut cli) {
        complain(&format!("verified-dockerfile: {error}\n"));
        return ExitCode::from(2);
    }
    let colour = match cli.color.unwrap_or(When::Auto) {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    };
    let done = match cli.command {
        Command::Diff(args) => diff::run(&args, colour),
        Command::Rewrite(args) => rewrite::run(&args),
        Command::Check(args) => check::run(&args, colour),
        Command::Explain(args) => explain::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Record(args) => record::run(&args),
        Command::VerifyBundle(args) => verify_bundle::run(&args, jiff::Timestamp::now()),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { of } => manual::page(of.as_deref()),
        Command::Internal(args) => match &args.step {
            Step::Record {
                records,
                step,
                settings,
                command,
            } => {
                let step = match step.parse() {
                    Ok(step) => step,
                    Err(error) => return refuse(&CannotRun::new("this build step", error)),
                };
                let mode = launch::Mode::Record(records.clone(), step);
                let status = launch::run(&mode, command, settings, launch::variables());
                return ExitCode::from(status);
            }
            Step::Replay {
                from,
                settings,
                command,
            } => {
                let mode = launch::Mode::Replay(from.clone());
                let status = launch::run(&mode, command, settings, launch::variables());
                return ExitCode::from(status);
            }
            Step::Sha256 { file, out } => step::sha256(file, out),
            Step::Digests { file, out } => step::digests(file, out),
            Step::FetchSignatures { reference, out } => {
                step::fetch_proofs(reference, Signed::Image, out)
            }
            Step::FetchAttestations { reference, out } => {
                step::fetch_proofs(reference, Signed::Attestations, out)
            }
            Step::CheckSignatures { file, request, out } => bytes::run(file, request, out),
            Step::ReplayStore {
                recording,
                store,
                out,
            } => replay::store::import(recording, store, out),
            Step::ReplayFolder { folder, hosts } => replay::store::folder(folder, hosts),
            Step::ClonedCommits {
                tags,
                folder,
                remote,
                out,
            } => replay::cloned::run(folder, remote, *tags, out),
            Step::GitObjects {
                folder,
                commit,
                reference,
                out,
            } => git_dir::run(folder, commit, reference, out),
        }
        .map(|()| Clean::Yes)
        .map_err(|error| CannotRun::new("this build step", error)),
    };
    match done {
        Ok(Clean::Yes) => ExitCode::SUCCESS,
        Ok(Clean::No) => ExitCode::from(1),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &CannotRun) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "verified-dockerfile: {error}");
    ExitCode::from(2)
}

/// Writes to standard output. A reader that has gone away is no error.
fn print(text: impl AsRef<[u8]>) -> Result<(), CannotRun> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| CannotRun::new("standard output", error)),
    }
}

/// Writes to standard error. There is nobody left to tell if that fails.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
