//! Simple signing.

use verified_dockerfile::verify::{Signer, openpgp, simple};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: simple::KIND,
    members: &[],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let key = openpgp::Key::parse(&case.file("key"), None).map_err(|error| error.to_string())?;
    simple::verify(
        &case.subject().artifact(),
        &case.file("proof"),
        &key,
        case.at(),
    )
    .map_err(|error| error.to_string())
}
