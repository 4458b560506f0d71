//! Tasks of this project: `cargo xtask --help`.

mod engine_command;

use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Engine(action) => engine_command::run(action),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
