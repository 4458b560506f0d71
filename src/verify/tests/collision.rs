//! Two files of the same SHA-1: that git's ids are computed by a function that sees how they were made.
//!
//! What was published begins as a PDF does, and works from there only, while an object of git begins with its type. A new collision
//! would cost as much as the first one: so there is no such object to show, and what is tested is the function.
//!
//! Source: the first 320 bytes of `shattered-1.pdf` and `shattered-2.pdf` (Stevens, Bursztein, Karpman, Albertini, Markov: "The first collision
//! for full SHA-1", 2017).

use sha2::Digest as _;

use super::super::git::sha1;

/// What both begin with.
const START: &str = concat!(
    "255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f4865696768742033203020522f5479",
    "70652034203020522f537562747970652035203020522f46696c7465722036203020522f436f6c6f7253706163652037203020522f4c65",
    "6e6774682038203020522f42697473506572436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d312069732064",
    "6561642121212121852fec092339759c39b1a1c63c4c97e1fffe01",
);
/// How each goes on.
const ENDS: [&str; 2] = [
    concat!(
        "7346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3dc38e96ac22fe7",
        "bd728f0e45bce046d23c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500eb4ddc0decc1a864790c782c7621",
        "5660dd309791d06bd0af3f98cda4bc4629b1",
    ),
    concat!(
        "7f46dc93a6b67e013b029aaa1db2560b45ca67d688c7f84b8c4c791fe02b3df614f86db1690901c56b45c1530afedfb76038e972722fe7",
        "ad728f0e4904e046c230570fe9d41398abe12ef5bc942be33542a4802d98b5d70f2a332ec37fac3514e74ddc0f2cc1a874cd0c78305a21",
        "566461309789606bd0bf3f98cda8044629a1",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let text = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
    text.map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[test]
fn a_collision_is_seen() {
    let start = bytes(START);
    let files = ENDS.map(|end| [start.clone(), bytes(end)].concat());
    assert_ne!(files[0], files[1]);
    // A function that does not look gives them one id.
    let plain = files.each_ref().map(|file| {
        let hasher = sha1_checked::Sha1::builder()
            .detect_collision(false)
            .build();
        hasher.chain_update(file).finalize()
    });
    assert_eq!(plain[0], plain[1]);
    for file in &files {
        assert_eq!(sha1(&[file]), None);
        assert_eq!(sha1(&[&file[..100], &file[100..]]), None);
        // Whatever comes after.
        assert_eq!(sha1(&[file, b"more"]), None);
        // From another start, as in an object, the blocks are like any others.
        assert!(sha1(&[b"blob 320\0", file]).is_some());
        let mut other = file.clone();
        other[200] ^= 1;
        assert!(sha1(&[&other]).is_some());
    }
}
