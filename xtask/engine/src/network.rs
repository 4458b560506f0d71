//! The bridge of an engine: its address, and the way out for build steps.
//!
//! `dockerd` may not touch the machine's packet filter, because two of them would undo each other's rules.

use std::{fs, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use crate::{Result, Suite, process};

const LIMIT: Duration = Duration::from_secs(20);

/// An address whose /24 network the machine does not use yet.
pub(crate) fn free_address(suite: Suite) -> Result<Ipv4Addr> {
    let routes = fs::read_to_string("/proc/net/route")?;
    (213..=250)
        .map(|second| Ipv4Addr::new(10, second, suite.index(), 1))
        .find(|&address| !is_routed(&routes, address))
        .ok_or_else(|| "no free network for a bridge".into())
}

/// Whether one of `routes` (the format of `/proc/net/route`) but the default one leads to `address`'s network.
fn is_routed(routes: &str, address: Ipv4Addr) -> bool {
    let number = |field: Option<&str>| u32::from_str_radix(field?, 16).ok().map(u32::swap_bytes);
    routes.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let destination = number(fields.next());
        let mask = number(fields.nth(5));
        let (Some(destination), Some(mask)) = (destination, mask) else {
            return false;
        };
        let common = mask & 0xffff_ff00;
        mask != 0 && destination & common == u32::from(address) & common
    })
}

/// Makes the bridge.
pub(crate) fn create(root: &Path, interface: &str, address: Ipv4Addr) -> Result<()> {
    run(root, &["ip", "link", "add", interface, "type", "bridge"])?;
    run(
        root,
        &[
            "ip",
            "address",
            "add",
            &format!("{address}/24"),
            "dev",
            interface,
        ],
    )?;
    run(root, &["ip", "link", "set", interface, "up"])
}

/// Lets build steps reach what the machine reaches.
///
/// # Errors
/// Where the kernel has no such packet filter; everything but the way out works then.
pub(crate) fn open(root: &Path, interface: &str, address: Ipv4Addr) -> Result<()> {
    for rule in rules(interface, address) {
        let words: Vec<&str> = rule.split(' ').collect();
        run(
            root,
            &[&["iptables"], &words[..2], &["-I"], &words[2..]].concat(),
        )?;
    }
    Ok(())
}

/// Removes the bridge and its rules, as far as they are there.
pub(crate) fn remove(root: &Path, interface: &str, address: Option<Ipv4Addr>) {
    for rule in address
        .map(|address| rules(interface, address))
        .into_iter()
        .flatten()
    {
        let words: Vec<&str> = rule.split(' ').collect();
        let _ = run(
            root,
            &[&["iptables"], &words[..2], &["-D"], &words[2..]].concat(),
        );
    }
    let _ = run(root, &["ip", "link", "delete", interface]);
}

/// Table, chain and match of each rule.
fn rules(interface: &str, address: Ipv4Addr) -> [String; 3] {
    [
        format!("-t nat POSTROUTING -s {address}/24 ! -o {interface} -j MASQUERADE"),
        format!("-t filter FORWARD -i {interface} -j ACCEPT"),
        format!("-t filter FORWARD -o {interface} -j ACCEPT"),
    ]
}

fn run(root: &Path, words: &[&str]) -> Result<()> {
    process::run(Command::new("chroot").arg(root).args(words), &[], LIMIT)?.success()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                          eth0 00000000 01020002 0003 0 0 0 00000000 0 0 0\n\
                          eth0 0000D50A 00000000 0001 0 0 0 0000FFFF 0 0 0\n\
                          eth1 8001D60A 00000000 0001 0 0 0 80FFFFFF 0 0 0\n";

    #[test]
    fn networks_in_use_are_seen() {
        assert!(
            is_routed(ROUTES, Ipv4Addr::new(10, 213, 1, 1)),
            "10.213.0.0/16 holds it"
        );
        assert!(
            is_routed(ROUTES, Ipv4Addr::new(10, 214, 1, 1)),
            "it holds 10.214.1.128/25"
        );
        assert!(!is_routed(ROUTES, Ipv4Addr::new(10, 214, 0, 1)));
        assert!(
            !is_routed(ROUTES, Ipv4Addr::new(10, 215, 1, 1)),
            "only the default route leads there"
        );
    }
}
