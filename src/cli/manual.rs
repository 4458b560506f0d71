//! `completions` and `man`: both are made from the table of arguments, so they cannot differ from it.

use clap::CommandFactory as _;

use super::{CannotRun, Clean, args::Cli, print};

const NAME: &str = "verified-dockerfile";

pub(super) fn completions(shell: clap_complete::Shell) -> Result<Clean, CannotRun> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut out);
    print(out)?;
    Ok(Clean::Yes)
}

pub(super) fn page(of: Option<&str>) -> Result<Clean, CannotRun> {
    let mut command = Cli::command();
    command.build();
    let command = match of {
        None => command,
        Some(name) => command
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| CannotRun::new(name, "there is no such command"))?
            .display_name(format!("{NAME}-{name}")),
    };
    let mut out = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut out)
        .map_err(|error| CannotRun::new("the manual page", error))?;
    print(out)?;
    Ok(Clean::Yes)
}
