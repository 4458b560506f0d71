//! Reading files of a size that somebody else decides.

use std::{
    fs::File,
    io::{self, Read as _},
};

/// All of `file`.
///
/// # Errors
/// Also if it has more than `most` bytes.
pub(crate) fn read(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_too_many_is_an_error() {
        let folder = std::env::temp_dir().join(format!("bounded-{}", std::process::id()));
        std::fs::write(&folder, b"four").unwrap();
        let open = || File::open(&folder).unwrap();
        assert_eq!(read(open(), 4).unwrap(), b"four");
        let error = read(open(), 3).unwrap_err().to_string();
        assert_eq!(error, "it has more than 3 bytes");
        std::fs::remove_file(folder).unwrap();
    }
}
