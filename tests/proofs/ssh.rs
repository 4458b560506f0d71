//! SSH signatures: members `namespace` (of files) and `principal`, if the policy names them; `bytes`, the namespace of a message that
//! is at hand, as a git object is.

use verified_dockerfile::verify::{Signer, ssh};

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: ssh::KIND,
    members: &["namespace", "principal", "bytes"],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let mut key = ssh::Key::parse(&case.file_text("key")).map_err(|error| error.to_string())?;
    if let Some(namespace) = case.text("namespace") {
        key = key.with_namespace(namespace);
    }
    if let Some(principal) = case.text("principal") {
        key = key.with_principal(principal);
    }
    let proof = case.file("proof");
    let result = if let Some(namespace) = case.text("bytes") {
        ssh::verify_bytes(&case.file("artifact"), &proof, &key, namespace, case.at())
    } else {
        ssh::verify(&case.subject().artifact(), &proof, &key, case.at())
    };
    result.map_err(|error| error.to_string())
}
