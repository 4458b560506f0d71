//! Where the lines of a file end, found for 64 bytes at a time and without branches: lines are so short that a search
//! for each would cost more.

/// Iterates over the offsets of the newlines.
pub(super) struct Newlines<'s> {
    blocks: std::slice::Iter<'s, [u8; 64]>,
    /// What is behind the last whole block.
    rest: &'s [u8],
    /// Offset of the block after the one at hand.
    next: usize,
    /// A bit for each byte of the block at hand that is a newline still to come, the first lowest.
    found: u64,
}

/// A bit for each byte that is a newline, the first lowest.
fn newlines(block: &[u8; 64]) -> u64 {
    let mut found = [0; 64];
    for (found, byte) in found.iter_mut().zip(block) {
        *found = if *byte == b'\n' { 0xff } else { 0 };
    }
    let (words, _) = found.as_chunks();
    words.iter().rev().fold(0, |found, word| {
        // Of each byte the bit of its place; the product has their sum in its highest byte.
        let word = u64::from_le_bytes(*word) & 0x8040_2010_0804_0201;
        found << 8 | word.wrapping_mul(0x0101_0101_0101_0101) >> 56
    })
}

impl<'s> Newlines<'s> {
    pub(super) fn new(source: &'s [u8]) -> Self {
        let (blocks, rest) = source.as_chunks();
        Self {
            blocks: blocks.iter(),
            rest,
            next: 0,
            found: 0,
        }
    }

    /// Goes on to the next block; `false` at the end.
    fn advance(&mut self) -> bool {
        self.next += 64;
        if let Some(block) = self.blocks.next() {
            self.found = newlines(block);
            return true;
        }
        let mut last = [0; 64];
        for (to, from) in last.iter_mut().zip(self.rest) {
            *to = *from;
        }
        self.found = newlines(&last);
        !std::mem::take(&mut self.rest).is_empty()
    }
}

impl Iterator for Newlines<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            if !self.advance() {
                return None;
            }
        }
        let first = self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(self.next - 64 + first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_newline() {
        // Bytes that differ from a newline in one bit, or carry.
        let bytes = [b'\n', 0x8a, 0x0b, 0x00, 0xff, 0x80, 0x7f, b'\n', 0x09];
        for len in 0..200 {
            for step in 1..10 {
                let text: Vec<u8> = (0..len).map(|at| bytes[at * step % bytes.len()]).collect();
                let expected: Vec<usize> = (0..len).filter(|at| text[*at] == b'\n').collect();
                let mut found = Newlines::new(&text);
                assert_eq!(found.by_ref().collect::<Vec<_>>(), expected, "{text:?}");
                assert_eq!(found.next(), None);
            }
        }
    }
}
