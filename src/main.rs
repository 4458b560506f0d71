//! The one binary: a frontend when BuildKit starts it, a launcher under that name, the command line otherwise.

use std::process::ExitCode;

use verified_dockerfile::{cli, frontend, gateway, replay::launch};

fn main() -> ExitCode {
    // What is no text has no part in the name; a command's own words may be any bytes.
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some((mode, command)) = launch::asked(&arguments) {
        let status = launch::run(
            &mode,
            command,
            launch::SETTINGS.as_ref(),
            launch::variables(),
        );
        return ExitCode::from(status);
    }
    let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    // BuildKit starts a frontend without arguments; a build step of ours has some, and may inherit any environment.
    if std::env::args_os().len() == 1 && gateway::is_frontend(names.iter().map(AsRef::as_ref)) {
        let code = frontend::main(std::env::vars_os());
        // The runtime may have a thread that still reads from the daemon: leave at once, the daemon waits for the end.
        std::process::exit(code);
    }
    cli::main()
}
