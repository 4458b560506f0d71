//! `verify-bundle`: one Sigstore bundle, by hand or by machine. Exit codes: 0 it holds, 1 it does not, 2 could not run.
//!
//! Follows the client protocol of sigstore-conformance (`docs/cli_protocol.md`): a bundle of a key pair must be in the transparency log,
//! too, and a statement of any type counts if the artifact is among its subjects.

use std::{fs, io, io::Read as _, path::Path};

use jiff::Timestamp;
use sha2::Digest as _;

use super::{CannotRun, Clean, args::VerifyBundleArgs, complain, print};
use crate::{
    digest::Digest,
    verify::{
        Artifact, Content, MAX_KEY_BYTES, PublicKey,
        bundle::{self, MAX_BUNDLE},
        sigstore::{By, Claim, Identity, Key, MAX_ROOTS, Matcher, Roots},
    },
};

pub(super) fn run(args: &VerifyBundleArgs, now: Timestamp) -> Result<Clean, CannotRun> {
    let name = &args.artifact;
    let proof = match &args.bundle {
        Some(path) => read(path, MAX_BUNDLE)?,
        None => read(Path::new(&format!("{name}.sigstore.json")), MAX_BUNDLE)?,
    };
    let roots = match &args.trusted_root {
        Some(path) => Roots::parse(&read(path, MAX_ROOTS)?)
            .map_err(|error| CannotRun::new(path.display(), error))?,
        None => Roots::public_good().map_err(|error| CannotRun::new("the trust root", error))?,
    };
    let by = match (&args.key, &args.identity, &args.issuer) {
        (Some(path), None, None) => {
            let pem = String::from_utf8(read(path, MAX_KEY_BYTES)?)
                .map_err(|_| CannotRun::new(path.display(), "it is no text"))?;
            let key =
                PublicKey::from_pem(&pem).map_err(|error| CannotRun::new(path.display(), error))?;
            By::PublicKey {
                key,
                log: Some(roots),
            }
        }
        (None, Some(identity), Some(issuer)) => {
            let exact =
                |text: &str| Matcher::exact(text).map_err(|error| CannotRun::new(text, error));
            let identity = Identity::new(exact(issuer)?, exact(identity)?)
                .map_err(|error| CannotRun::new("the identity", error))?;
            By::Identity { identity, roots }
        }
        _ => {
            return Err(CannotRun::new(
                "whom to trust",
                "give --certificate-identity and --certificate-oidc-issuer, or --key",
            ));
        }
    };
    let key = Key {
        by,
        claim: Claim::Any,
    };
    let path = Path::new(name).to_owned();
    let (digest, content): (Digest, Option<&dyn Content>) = match name.parse::<Digest>() {
        Ok(digest) if !path.exists() => (digest, None),
        _ => (sha256(&path)?, Some(&path)),
    };
    let artifact = Artifact::File {
        digest: &digest,
        content,
    };
    match bundle::verify(&artifact, &proof, &key, now) {
        Ok(signer) => {
            let time = signer
                .signed
                .map_or_else(String::new, |time| format!(" at {time}"));
            print(format!("{name}: signed by {}{time}\n", signer.who))?;
            Ok(Clean::Yes)
        }
        Err(failure) => {
            complain(&format!("verified-dockerfile: {name}: {failure}\n"));
            Ok(Clean::No)
        }
    }
}

fn read(path: &Path, most: usize) -> Result<Vec<u8>, CannotRun> {
    let failed = |error: io::Error| CannotRun::new(path.display(), error);
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(failed)?
        .take(most.saturating_add(1) as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > most {
        return Err(CannotRun::new(
            path.display(),
            format!("it has more than {most} bytes"),
        ));
    }
    Ok(bytes)
}

fn sha256(path: &Path) -> Result<Digest, CannotRun> {
    let failed = |error: io::Error| CannotRun::new(path.display(), error);
    let mut file = fs::File::open(path).map_err(failed)?;
    let mut hasher = sha2::Sha256::new();
    io::copy(&mut file, &mut hasher).map_err(failed)?;
    let hex: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
        .parse()
        .map_err(|error| CannotRun::new(path.display(), error))
}
