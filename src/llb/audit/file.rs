//! File operations: they only move what is already there, so that their inputs and outputs must add up.

use crate::llb::{
    audit::{EscapeKind, graph::Refusals},
    ops::{Action, ChownOpt, FileAction, FileOp, User, UserOpt},
};

/// Checks the actions and counts the outputs, which are numbered from 0 without gaps.
pub(super) fn judge(file: &FileOp, inputs: usize, out: &mut Refusals) -> usize {
    if file.actions.is_empty() {
        out.foreign(EscapeKind::File, "a file operation without actions");
    }
    let mut numbers = Vec::new();
    for (index, action) in file.actions.iter().enumerate() {
        // Results of earlier actions are counted after the inputs.
        let known = inputs.saturating_add(index);
        if let Some(what) = problem(action, known) {
            out.foreign(EscapeKind::File, format!("a file action {what}"));
        }
        if action.output != -1 {
            numbers.push(action.output);
        }
    }
    numbers.sort_unstable();
    if numbers.is_empty()
        || !numbers
            .iter()
            .zip(0_i64..)
            .all(|(number, index)| *number == index)
    {
        out.foreign(
            EscapeKind::File,
            "a file operation whose outputs are not numbered from 0",
        );
    }
    numbers.len()
}

fn problem(action: &FileAction, known: usize) -> Option<&'static str> {
    let valid = |input: i64| input == -1 || usize::try_from(input).is_ok_and(|input| input < known);
    if !valid(action.input) || !valid(action.secondary_input) {
        return Some("names an input that is not there yet");
    }
    let (owner, copy) = match &action.action {
        None => return Some("does nothing that is known"),
        Some(Action::Copy(copy)) => (copy.owner.as_ref(), true),
        Some(Action::MkFile(file)) => (file.owner.as_ref(), false),
        Some(Action::MkDir(dir)) => (dir.owner.as_ref(), false),
        Some(Action::Symlink(link)) => (link.owner.as_ref(), false),
        Some(Action::Rm(_)) => (None, false),
    };
    if !copy && action.secondary_input != -1 {
        return Some("copies from an input without being a copy");
    }
    let valid_user = |user: &Option<UserOpt>| match user.as_ref().map(|user| &user.user) {
        None | Some(Some(User::ById(_))) => true,
        Some(Some(User::ByName(name))) => valid(name.input),
        Some(None) => false,
    };
    let valid_owner = |owner: &ChownOpt| valid_user(&owner.user) && valid_user(&owner.group);
    (!owner.is_none_or(valid_owner)).then_some("names an owner that cannot be looked up")
}
