//! Checksum lists: members `list`, `entry` (the name in it) and `by`, the kind of proof that signs it; `"by":"somebody"` means that the
//! list was signed just as it is, so that what it says can be changed.

use verified_dockerfile::verify::{Artifact, Failure, Signer, checksums, minisign, signify, ssh};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: checksums::KIND,
    members: &["list", "entry", "by"],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let list = case.file("list");
    let name = case.text("entry").expect("`entry`");
    let result = checksums::verify(&case.subject().artifact(), &list, name, |list| {
        signed(case, list)
    });
    result.map_err(|error| error.to_string())
}

fn signed(case: &Case, list: &Artifact<'_>) -> Result<Signer, Failure> {
    let by = case.text("by").expect("`by`");
    if by == "somebody" {
        return Ok(Signer {
            who: "somebody".to_owned(),
            signed: None,
        });
    }
    let (proof, key) = (case.file("proof"), case.file_text("key"));
    match by {
        "minisign" => minisign::verify(list, &proof, &minisign::Key::parse(&key)?, case.at()),
        "signify" => signify::verify(list, &proof, &signify::Key::parse(&key)?, case.at()),
        "ssh" => ssh::verify(list, &proof, &ssh::Key::parse(&key)?, case.at()),
        other => panic!("`by`: {other}"),
    }
}
