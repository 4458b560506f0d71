//! `cargo xtask engine`: bring engines up and down, and work with them.

use std::{
    env,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    thread,
};

use clap::Subcommand;
use engine::{Engine, Lifetime, Result, Suite};

/// What to do with engines. Without a suite: with all of them.
#[derive(Subcommand)]
pub enum Action {
    /// Start engines; the first time their roots are made, which takes some minutes
    Up {
        /// trixie, forky or all
        suites: Vec<String>,
    },
    /// End engines and remove their data; their roots are kept
    Down {
        /// trixie, forky or all
        suites: Vec<String>,
    },
    /// Show which engines run
    Status,
    /// Print shell commands that make `docker`, `cosign` and so on those of an engine
    Env {
        /// trixie or forky
        suite: Suite,
    },
    /// Start a shell, or a command, in which `docker`, `cosign` and so on are those of an engine
    Shell {
        /// trixie or forky
        suite: Suite,
        /// The command, with its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

pub fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Up { suites } => each(&suites, |suite| {
            let engine = Engine::up(suite, Lifetime::Detached)?;
            println!("{}", engine.describe());
            Ok(())
        }),
        Action::Down { suites } => each(&suites, |suite| {
            Engine::down(suite)?;
            println!("{suite}: down");
            Ok(())
        }),
        Action::Status => {
            for suite in Suite::ALL {
                let engine = Engine::find(suite).map(|engine| engine.describe());
                println!("{}", engine.unwrap_or_else(|| format!("{suite}: down")));
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Env { suite } => {
            let engine = find(suite)?;
            for (name, value) in engine.variables() {
                println!("export {name}='{value}'");
            }
            println!("export PATH='{}':\"$PATH\"", programs(&engine));
            Ok(ExitCode::SUCCESS)
        }
        Action::Shell { suite, command } => {
            let engine = find(suite)?;
            let shell = env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
            let mut words = command.iter().map(String::as_str);
            let mut command = Command::new(words.next().unwrap_or(&shell));
            let path = env::var("PATH").unwrap_or_default();
            command.args(words).envs(engine.variables());
            command.env("PATH", format!("{}:{path}", programs(&engine)));
            Err(command.exec().into())
        }
    }
}

fn find(suite: Suite) -> Result<Engine> {
    Engine::find(suite).ok_or_else(|| {
        format!("{suite} is not up; start it by: cargo xtask engine up {suite}").into()
    })
}

fn programs(engine: &Engine) -> String {
    engine.programs().unwrap_or_default().display().to_string()
}

/// Does `task` for all suites at once and tells every error.
fn each(suites: &[String], task: impl Fn(Suite) -> Result<()> + Sync) -> Result<ExitCode> {
    let suites = self::suites(suites)?;
    let failed = thread::scope(|scope| {
        let tasks: Vec<_> = suites
            .iter()
            .map(|&suite| {
                (
                    suite,
                    scope.spawn({
                        let task = &task;
                        move || task(suite)
                    }),
                )
            })
            .collect();
        let results = tasks.into_iter().map(|(suite, task)| (suite, task.join()));
        results.fold(false, |failed, (suite, result)| match result {
            Ok(Ok(())) => failed,
            Ok(Err(error)) => {
                eprintln!("error: {suite}: {error}");
                true
            }
            Err(_) => true,
        })
    });
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The suites with these names; all where none is named.
pub fn suites(names: &[String]) -> Result<Vec<Suite>> {
    match names {
        [] => Ok(Suite::ALL.to_vec()),
        [all] if all == "all" => Ok(Suite::ALL.to_vec()),
        names => names.iter().map(|name| name.parse()).collect(),
    }
}
