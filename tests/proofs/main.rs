//! Every kind of proof on files that the real tools signed, and on hostile ones that differ from a good one in exactly one thing.
//!
//! The cases are data: `testdata/proofs/KIND/cases.ndjson`, one a line, so that a new one is one line. See [`case`] for what a line may
//! say and [`edits`] for how it changes a file. Here is what holds for all kinds:
//! - a good case gives exactly the signer that it names, a refused one a reason with the words that it names;
//! - a refused case names its `twin`, a good case from which it differs in one member, so that nothing else can be the reason;
//! - no name and no case is there twice, no folder is left out, and each file in a folder is used.

mod case;
mod checksums;
mod edits;
mod git;
mod minisign;
mod notation;
mod openpgp;
mod signify;
mod sigstore;
mod simple;
mod ssh;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use verified_dockerfile::verify::Signer;

use case::{Case, Expected};

/// A kind of proof, as the cases in its folder are run.
pub struct Kind {
    /// The name of the folder below `testdata/proofs`.
    pub folder: &'static str,
    /// The members that its cases may have besides those of every case ([`case::SHARED`]).
    pub members: &'static [&'static str],
    /// Verifies: the signer, or the error as a user reads it, be it about the key or about the proof. Panics if the case itself is wrong.
    pub run: fn(&Case) -> Result<Signer, String>,
}

const KINDS: &[Kind] = &[
    checksums::KIND,
    git::KIND,
    git::GITSIGN,
    minisign::KIND,
    notation::KIND,
    openpgp::KIND,
    signify::KIND,
    sigstore::KIND,
    simple::KIND,
    ssh::KIND,
    git::X509,
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = edits::trials();
    trials.push(Trial::test("every folder is run", every_folder_is_run));
    for kind in KINDS {
        let folder = testdata().join(kind.folder);
        let cases: Vec<Case> = Case::read_all(&folder, kind.members);
        trials.push(told_apart(kind, &cases));
        trials.push(no_file_is_idle(kind, &folder, &cases));
        let good: BTreeMap<String, Case> = cases
            .iter()
            .filter(|case| matches!(case.expected, Expected::Verified(_)))
            .map(|case| (case.name.clone(), case.clone()))
            .collect();
        for case in cases {
            let name = format!("{}: {}", kind.folder, case.name);
            let twin = case.twin.as_ref().and_then(|name| good.get(name)).cloned();
            let run = kind.run;
            trials.push(Trial::test(name, move || check(&case, twin.as_ref(), run)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Where the folders of all kinds are.
pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/proofs")
}

/// Runs one case, and compares what came out with what it says.
fn check(
    case: &Case,
    twin: Option<&Case>,
    run: fn(&Case) -> Result<Signer, String>,
) -> Result<(), Failed> {
    let result = run(case);
    match (&case.expected, result) {
        (Expected::Verified(who), Ok(signer)) if signer.who == *who => {
            match (case.signed, signer.signed) {
                (Some(wanted), found) if found != Some(wanted) => {
                    Err(format!("signed at {found:?}, not {wanted}").into())
                }
                _ => Ok(()),
            }
        }
        (Expected::Verified(who), Ok(signer)) => {
            Err(format!("verified as `{}`, not `{who}`", signer.who).into())
        }
        (Expected::Verified(_), Err(reason)) => Err(format!("refused: {reason}").into()),
        (Expected::Refused(_), Ok(signer)) => {
            Err(format!("ACCEPTED, as signed by `{}`", signer.who).into())
        }
        (Expected::Refused(words), Err(reason)) => {
            if !reason.contains(words.as_str()) {
                return Err(format!("refused with another reason than `{words}`: {reason}").into());
            }
            let Some(twin) = twin else {
                return Err("`twin` must name a good case of the same file".into());
            };
            let differences = case.differences(twin);
            if differences.len() != 1 {
                return Err(format!(
                    "differs from `{}` not in one member but in {differences:?}",
                    twin.name
                )
                .into());
            }
            Ok(())
        }
    }
}

/// Names and cases are there once.
fn told_apart(kind: &Kind, cases: &[Case]) -> Trial {
    let (mut names, mut contents, mut twice) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for case in cases {
        if !names.insert(case.name.clone()) || !contents.insert(case.content()) {
            twice.push(case.name.clone());
        }
    }
    Trial::test(
        format!("{}: each case is there once", kind.folder),
        move || {
            if twice.is_empty() {
                Ok(())
            } else {
                Err(format!("there twice: {twice:?}").into())
            }
        },
    )
}

/// A file that no case names tests nothing.
fn no_file_is_idle(kind: &Kind, folder: &Path, cases: &[Case]) -> Trial {
    let used: BTreeSet<String> = cases.iter().flat_map(Case::words).collect();
    let idle: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !(name == "make.sh" || name == "cases.ndjson" || name.ends_with(".py")))
        .filter(|name| !used.contains(name))
        .collect();
    Trial::test(format!("{}: each file is used", kind.folder), move || {
        if idle.is_empty() {
            Ok(())
        } else {
            Err(format!("named by no case: {idle:?}").into())
        }
    })
}

fn every_folder_is_run() -> Result<(), Failed> {
    let known: BTreeSet<&str> = KINDS.iter().map(|kind| kind.folder).collect();
    for entry in fs::read_dir(testdata())? {
        let name = entry?.file_name().into_string().unwrap();
        if !known.contains(name.as_str()) {
            return Err(format!("testdata/proofs/{name} belongs to no kind").into());
        }
    }
    Ok(())
}
