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
