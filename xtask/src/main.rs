//! Tasks of this project: `cargo xtask --help`.

mod engine_command;
mod image_command;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of this project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Real Docker engines to test against (root on Debian only)
    #[command(subcommand)]
    Engine(engine_command::Action),
    /// Build our image from a binary built here, without Docker
    Image(image_command::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Engine(action) => engine_command::run(action),
        Task::Image(arguments) => image_command::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// The folder of the workspace.
fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
//! Tasks of this project.

mod conformance;

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|task| task.to_str()) {
        Some("conformance") => conformance::run(&arguments.map(PathBuf::from).collect::<Vec<_>>()),
        _ => {
            eprintln!("error: unknown task; known are: conformance");
            ExitCode::from(2)
        }
    }
}
