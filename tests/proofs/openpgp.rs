//! OpenPGP: member `fingerprint`, the one that the policy names.

use verified_dockerfile::verify::{Signer, openpgp, simple};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: openpgp::KIND,
    members: &["fingerprint"],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let key = openpgp::Key::parse(&case.file("key"), case.text("fingerprint"))
        .map_err(|error| error.to_string())?;
    let proof = case.file("proof");
    let subject = case.subject();
    let verify = match case.text("image") {
        Some(_) => simple::verify,
        None => openpgp::verify,
    };
    let signer =
        verify(&subject.artifact(), &proof, &key, case.at()).map_err(|error| error.to_string())?;
    // A message hands out just what it proves, a text with the end of its last line.
    if case.text("image").is_none()
        && let Ok((content, same)) = openpgp::open(&proof, &key, case.at())
    {
        let mut wanted = case.file("artifact");
        if content != wanted && case.text("proof").unwrap().contains("clear") {
            wanted.push(b'\n');
        }
        assert_eq!((content, &same), (wanted, &signer));
    }
    Ok(signer)
}
