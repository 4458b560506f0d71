//! Values that BuildKit checks although they fetch nothing: ports, signals, modes and sizes. A file with a wrong one is
//! refused there, so it is refused here.

use std::net::IpAddr;

use crate::dockerfile::text;

/// `portSpecs.parsePort`: `[ip:][host:]port[-port][/proto]`.
pub(super) fn is_port(spec: &str) -> bool {
    let parts: Vec<&str> = spec.split(':').collect();
    let (ip, host, container) = match *parts.as_slice() {
        [container] => (String::new(), "", container),
        [host, container] => (String::new(), host, container),
        [ref ip @ .., host, container] => (ip.join(":"), host, container),
        [] => return false,
    };
    let (port, protocol) = container.split_once('/').unwrap_or((container, ""));
    if port.is_empty() || !matches!(text::lower(protocol).as_str(), "" | "tcp" | "udp" | "sctp") {
        return false;
    }
    if !ip.is_empty() && !is_ip(&ip) {
        return false;
    }
    let Some((start, end)) = port_range(port) else {
        return false;
    };
    if host.is_empty() {
        return true;
    }
    port_range(host)
        .is_some_and(|(host_start, host_end)| end - start == host_end - host_start || end == start)
}

/// `net.ParseIP`, with brackets around an IPv6 address allowed.
fn is_ip(text: &str) -> bool {
    let inner = match text.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(inner) if !inner.contains(['[', ']']) => inner,
            _ => return false,
        },
        None => text,
    };
    // Brackets around nothing leave no address to check.
    inner.is_empty() || inner.parse::<IpAddr>().is_ok()
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| -> Option<u16> {
        // Go's ParseInt takes a sign.
        let digits = text
            .strip_prefix('+')
            .or(text.strip_prefix('-'))
            .unwrap_or(text);
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.trim_start_matches('0');
        let number = if number.is_empty() {
            0
        } else {
            number.parse().ok()?
        };
        (valid && (number == 0 || !text.starts_with('-'))).then_some(number)
    };
    let (start, end) = match text.split_once('-') {
        Some((start, end)) if !text.is_empty() => (number(start)?, number(end)?),
        _ => (number(text)?, number(text)?),
    };
    (end >= start).then_some((start, end))
}

/// `signal.ParseSignal` on Linux: a number other than zero or a name with or without `SIG`.
pub(super) fn is_signal(signal: &str) -> bool {
    const NAMES: &[&str] = &[
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT",
        "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM",
        "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
        "RTMIN", "RTMAX",
    ];
    if let Ok(number) = signal.parse::<i64>() {
        return number != 0;
    }
    let upper = text::upper(signal);
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = |prefix: &str, most: u32| {
        name.strip_prefix(prefix).is_some_and(|number| {
            !number.starts_with(['0', '+'])
                && number
                    .parse()
                    .is_ok_and(|number: u32| (1..=most).contains(&number))
        })
    };
    NAMES.contains(&name) || realtime("RTMIN+", 15) || realtime("RTMAX-", 14)
}

/// What `--chmod` takes: an octal number up to 7777, or a symbolic mode (`dchapes-mode`).
pub(super) fn is_mode(mode: &str) -> bool {
    if !mode.is_empty() && mode.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return u32::from_str_radix(mode, 8).is_ok_and(|bits| bits <= 0o7777);
    }
    mode.split(',').all(|clause| {
        let actions = clause.trim_start_matches(['a', 'u', 'g', 'o']);
        actions.starts_with(['+', '-', '='])
            && actions.bytes().all(|byte| b"+-=rstwXxugo".contains(&byte))
    })
}

/// `units.RAMInBytes`: a number, perhaps a space, perhaps a unit.
pub(super) fn is_size(size: &str) -> bool {
    let Some(last) = size.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ')) else {
        return false;
    };
    let (number, suffix) = size.split_at_checked(last + 1).unwrap_or((size, ""));
    let number = number.strip_suffix(' ').unwrap_or(number);
    let signless = number.strip_prefix(['+', '-']).unwrap_or(number);
    if !signless.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    if !number
        .parse::<f64>()
        .is_ok_and(|value| value.is_finite() && value >= 0.0)
    {
        return false;
    }
    let suffix = text::lower(suffix);
    match suffix.strip_prefix(['k', 'm', 'g', 't', 'p']) {
        Some(rest) => matches!(rest, "" | "b" | "ib"),
        None => matches!(suffix.as_str(), "" | "b"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for spec in [
            "80",
            "80/TCP",
            "80-90/udp",
            "8080:80",
            "1.2.3.4:8080:80",
            "[::1]:1:2",
            "::1:1:2",
            "1-2:3",
            "+80",
            "1.2.3.4::80",
        ] {
            assert!(is_port(spec), "{spec}");
        }
        for spec in [
            "",
            "x",
            "80/x",
            "90-80",
            "65536",
            "a:80",
            "1-2:3-5",
            "x:1:2",
            "[::1:1:2",
            "80/",
            "/tcp",
            "1.2.3:1:2",
            "-1",
        ] {
            assert_eq!(is_port(spec), spec == "80/", "{spec}");
        }
    }

    #[test]
    fn signals() {
        for signal in ["9", "SIGTERM", "kill", "sigrtmin+15", "RTMAX-14", "-1"] {
            assert!(is_signal(signal), "{signal}");
        }
        for signal in [
            "",
            "0",
            "TERMX",
            "SIGSIGTERM",
            "RTMIN+16",
            "RTMAX-0",
            "RTMIN+01",
            " 9",
        ] {
            assert!(!is_signal(signal), "{signal}");
        }
    }

    #[test]
    fn modes() {
        for mode in [
            "0644",
            "7777",
            "00000000007",
            "u=rwX,go=rX",
            "+x",
            "a+rwxst",
            "g=u-w+x",
            "=",
            "u+r=w",
        ] {
            assert!(is_mode(mode), "{mode}");
        }
        for mode in [
            "",
            "8",
            "10000",
            "77777777777777",
            "x",
            "u",
            "u+r,",
            "u+q",
            "u +x",
            "-1",
            "0x1",
            "u+r,,g+x",
            "9u+x",
        ] {
            assert!(!is_mode(mode), "{mode}");
        }
    }

    #[test]
    fn sizes() {
        for size in ["1", "1k", "1.5 GiB", "10MB", "0b", "1e3", "1 "] {
            assert!(is_size(size), "{size}");
        }
        for size in [
            "", "k", "-1", "1x", "1kx", "1bb", "1 kb ", "inf", "nan1", "1e999", "1  k", "1kbb",
        ] {
            assert!(!is_size(size), "{size}");
        }
    }
}
