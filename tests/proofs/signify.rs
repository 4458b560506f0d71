//! signify.

use verified_dockerfile::verify::{Signer, signify};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: signify::KIND,
    members: &[],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let key = signify::Key::parse(&case.file_text("key")).map_err(|error| error.to_string())?;
    let subject = case.subject();
    signify::verify(&subject.artifact(), &case.file("proof"), &key, case.at())
        .map_err(|error| error.to_string())
}
