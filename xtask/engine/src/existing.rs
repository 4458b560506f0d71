//! The `docker buildx` that a machine already has, as an engine to test against.

use std::{env, net::Ipv4Addr, process::Command, time::Duration};

use crate::{Engine, Result, process};

const ASK_LIMIT: Duration = Duration::from_secs(120);
/// Pulling the registry's image may be part of it.
const START_LIMIT: Duration = Duration::from_secs(300);
const REGISTRY_IMAGE: &str = "docker.io/library/registry:2";

/// The engine that the environment describes, as `cargo xtask engine env` prints it: the `docker` in `PATH`, with the
/// registry in `VERIFIED_ENGINE_REGISTRY` and this machine's address in `VERIFIED_ENGINE_ADDRESS`. `None` without those variables.
pub(crate) fn described() -> Result<Option<Engine>> {
    let (Ok(registry), Ok(address)) = (
        env::var("VERIFIED_ENGINE_REGISTRY"),
        env::var("VERIFIED_ENGINE_ADDRESS"),
    ) else {
        return Ok(None);
    };
    programs()?;
    Ok(Some(Engine::of_the_machine(address.parse()?, registry)))
}

/// The `docker` in `PATH`, with a registry in a container of its own at the daemon's bridge; `None` without `docker buildx`.
pub(crate) fn detected() -> Result<Option<Engine>> {
    if ask(&["buildx", "version"]).is_err() {
        return Ok(None);
    }
    let insecure: Vec<String> = serde_json::from_str(&ask(&[
        "info",
        "--format",
        "{{json .RegistryConfig.InsecureRegistryCIDRs}}",
    ])?)?;
    let bridge = ask(&[
        "network",
        "inspect",
        "bridge",
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
    ])?;
    let address: Ipv4Addr = bridge
        .trim()
        .parse()
        .map_err(|_| format!("the daemon's bridge has no IPv4 address: {bridge:?}"))?;
    if !insecure.iter().any(|range| holds(range, address)) {
        return Err(format!(
            "its daemon takes no registry over plain HTTP at {address}, where the tests' own would be; for that, add \
             {{\"insecure-registries\": [\"{address}/32\"]}} to /etc/docker/daemon.json and restart it"
        )
        .into());
    }
    programs()?;
    let name = container();
    let mut start = Command::new("docker");
    start.args(["run", "--detach", "--rm", "--name", &name, "--publish"]);
    start.args([&format!("{address}::5000"), REGISTRY_IMAGE]);
    process::run(&mut start, &[], START_LIMIT)?.success()?;
    let published = ask(&["port", &name, "5000/tcp"])?;
    let registry = published.lines().next().unwrap_or_default().to_owned();
    Ok(Some(Engine::of_the_machine(address.into(), registry)))
}

/// Removes the registry that [`detected`] started in this process.
pub(crate) fn clear() -> Result<()> {
    ask(&["rm", "--force", "--volumes", &container()]).map(drop)
}

fn container() -> String {
    format!("verified-dockerfile-registry-{}", std::process::id())
}

/// What the tests run beside `docker`.
fn programs() -> Result<()> {
    for words in [
        ["docker", "info"],
        ["cosign", "version"],
        ["git", "version"],
        ["busybox", "--list"],
    ] {
        process::run(Command::new(words[0]).arg(words[1]), &[], ASK_LIMIT)?.success()?;
    }
    Ok(())
}

fn ask(words: &[&str]) -> Result<String> {
    let mut command = Command::new("docker");
    Ok(process::run(command.args(words), &[], ASK_LIMIT)?
        .success()?
        .stdout)
}

/// Whether `range`, as `10.0.0.0/8`, holds `address`.
fn holds(range: &str, address: Ipv4Addr) -> bool {
    let Some((base, bits)) = range.split_once('/') else {
        return false;
    };
    let (Ok(base), Ok(bits @ 0..=32)) = (base.parse::<Ipv4Addr>(), bits.parse::<u32>()) else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or_default();
    base.to_bits() & mask == address.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_addresses() {
        let address = Ipv4Addr::new(172, 17, 0, 1);
        for (range, held) in [
            ("172.17.0.1/32", true),
            ("172.16.0.0/12", true),
            ("0.0.0.0/0", true),
            ("127.0.0.0/8", false),
            ("172.17.0.2/32", false),
            ("172.17.0.1", false),
            ("172.17.0.1/33", false),
            ("::1/128", false),
        ] {
            assert_eq!(holds(range, address), held, "{range}");
        }
    }
}
