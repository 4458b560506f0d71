//! What our own image does as a step of a build: the work that the frontend process cannot do,
//! because it has neither the network nor the files.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use sha2::Digest as _;

/// Streams `file` through SHA-256 and writes `sha256:<hex>` to `out`.
///
/// # Errors
/// Whatever reading or writing says.
pub fn sha256(file: &Path, out: &Path) -> io::Result<()> {
    let mut reader = File::open(file)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer)?;
        match buffer.get(..read) {
            Some([]) | None => break,
            Some(part) => hash.update(part),
        }
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut writer = File::create(out)?;
    writer.write_all(format!("sha256:{hex}").as_bytes())?;
    writer.sync_all()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_step_writes_the_digest_of_the_file() {
        let dir = std::env::temp_dir().join(format!("vd-step-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (file, out) = (dir.join("in"), dir.join("out"));
        let bytes = vec![7_u8; 200_000];
        std::fs::write(&file, &bytes).unwrap();
        super::sha256(&file, &out).unwrap();
        let written = std::fs::read_to_string(&out).unwrap();
        assert_eq!(written, crate::digest::Digest::sha256(&bytes).to_string());
        assert!(super::sha256(&dir.join("none"), &out).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
