//! Whether anything of a step went for an address outside: in a container without network the kernel has no route there, and counts.
//!
//! It counts each connection and each datagram that has nowhere to go, whoever sends it. What stays on loopback is not counted,
//! nor is it when names are looked up.

use std::fs;

/// The counters, by the file that has them.
const COUNTERS: [(&str, &str, &str); 2] = [
    ("/proc/net/snmp", "Ip:", "OutNoRoutes"),
    ("/proc/net/snmp6", "Ip6OutNoRoutes", ""),
];

/// How much had no route so far, in this network. Nothing where the kernel does not say so.
#[must_use]
pub fn missing() -> u64 {
    let counts = COUNTERS.iter().map(|(path, line, column)| {
        let text = fs::read_to_string(path).unwrap_or_default();
        count(&text, line, column).unwrap_or_default()
    });
    counts.fold(0, u64::saturating_add)
}

/// A number in one of two forms: `NAME NUMBER`; or a line with names and one with numbers, which begin with the same word.
fn count(text: &str, line: &str, column: &str) -> Option<u64> {
    let mut lines = text
        .lines()
        .map(|text| text.split_whitespace())
        .filter_map(|mut words| (words.next()? == line).then_some(words));
    let mut first = lines.next()?;
    if column.is_empty() {
        return first.next()?.parse().ok();
    }
    let at = first.position(|name| name == column)?;
    lines.next()?.nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let four = "Ip: Forwarding OutNoRoutes More\nIp: 1 7 3\nIcmp: OutNoRoutes\nIcmp: 9\n";
        assert_eq!(count(four, "Ip:", "OutNoRoutes"), Some(7));
        assert_eq!(count(four, "Ip:", "None"), None);
        assert_eq!(count("Ip: OutNoRoutes\n", "Ip:", "OutNoRoutes"), None);
        let six = "Ip6InReceives \t5\nIp6OutNoRoutes \t8\n";
        assert_eq!(count(six, "Ip6OutNoRoutes", ""), Some(8));
        assert_eq!(count("", "Ip6OutNoRoutes", ""), None);
    }

    #[test]
    fn this_kernel_counts() {
        for (path, line, column) in COUNTERS {
            let text = fs::read_to_string(path).unwrap();
            assert!(count(&text, line, column).is_some(), "{path}");
        }
    }
}
