//! minisign: member `legacy`, `"accepted"` if the policy takes legacy signatures of the key.

use verified_dockerfile::verify::{Signer, minisign};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: minisign::KIND,
    members: &["legacy"],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let mut key =
        minisign::Key::parse(&case.file_text("key")).map_err(|error| error.to_string())?;
    if case.text("legacy") == Some("accepted") {
        key = key.with_legacy();
    }
    let subject = case.subject();
    minisign::verify(&subject.artifact(), &case.file("proof"), &key, case.at())
        .map_err(|error| error.to_string())
}
