//! Platforms (`os[(version)]/architecture[/variant]`) as containerd's `platforms` package reads and writes them.

use std::fmt;

use super::path;

/// An operating system and processor, as in the OCI image index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`, `windows`, ...
    pub os: String,
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `v7`, `v8`, ... or empty.
    pub variant: String,
    /// Windows build number, or empty.
    pub os_version: String,
    /// Required features of the operating system, mostly empty.
    pub os_features: Vec<String>,
}

/// Why a text is no [`Platform`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no platform; write os/architecture[/variant], for example linux/arm64")]
pub struct PlatformError(pub String);

const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

const KNOWN_ARCH: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// A platform of its parts, as they are.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            os_version: String::new(),
            os_features: Vec::new(),
        }
    }

    /// Reads a platform specifier (`platforms.Parse`). A single word is an operating system or an architecture; what
    /// it leaves open is taken from `host`, the platform that BuildKit itself runs on.
    ///
    /// # Errors
    /// Anything that containerd refuses.
    pub fn parse(text: &str, host: &Self) -> Result<Self, PlatformError> {
        let refuse = || PlatformError(text.to_owned());
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (first, rest) = parts.split_first().ok_or_else(refuse)?;
        let component = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if text.contains('*') || !rest.iter().all(|part| component(part)) {
            return Err(refuse());
        }
        let mut platform = parse_os(first).ok_or_else(refuse)?;
        match *rest {
            [] if KNOWN_OS.contains(&platform.os.as_str()) => {
                platform.architecture.clone_from(&host.architecture);
                if host.architecture == "arm" && host.variant != "v7" {
                    platform.variant.clone_from(&host.variant);
                }
            }
            [] => {
                (platform.architecture, platform.variant) = normalize_arch(first, "");
                if platform.architecture == "arm" && platform.variant == "v7" {
                    platform.variant.clear();
                }
                if !KNOWN_ARCH.contains(&platform.architecture.as_str()) {
                    return Err(refuse());
                }
                platform.os.clone_from(&host.os);
            }
            [architecture] => {
                (platform.architecture, platform.variant) = normalize_arch(architecture, "");
                if platform.architecture == "arm" && platform.variant == "v7" {
                    platform.variant.clear();
                }
            }
            [architecture, variant] => {
                (platform.architecture, platform.variant) = normalize_arch(architecture, variant);
                if platform.architecture == "arm64" && platform.variant.is_empty() {
                    "v8".clone_into(&mut platform.variant);
                }
            }
            _ => return Err(refuse()),
        }
        Ok(platform)
    }

    /// The canonical form that comparisons use (`platforms.Normalize`): `x86_64` is `amd64`, `arm64/v8` is `arm64`.
    #[must_use]
    pub fn normalize(&self) -> Self {
        let (architecture, variant) = normalize_arch(&self.architecture, &self.variant);
        let mut os_features = self.os_features.clone();
        os_features.sort();
        os_features.dedup();
        Self {
            os: normalize_os(&self.os),
            architecture,
            variant,
            os_version: self.os_version.clone(),
            os_features,
        }
    }

    /// `os/architecture[/variant]` without the version of the operating system (`platforms.Format`).
    #[must_use]
    pub fn short(&self) -> String {
        if self.os.is_empty() {
            return "unknown".to_owned();
        }
        path::join(&[&self.os, &self.architecture, &self.variant])
    }
}

/// `platforms.FormatAll`: with version and features, `windows(10.0.17763)/amd64`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.os.is_empty() {
            return f.write_str("unknown");
        }
        let mut features: Vec<String> = self
            .os_features
            .iter()
            .filter(|feature| !feature.is_empty())
            .map(|feature| encode_option(feature))
            .collect();
        features.sort();
        features.dedup();
        let mut os = self.os.clone();
        if !self.os_version.is_empty() || !features.is_empty() {
            os.push('(');
            os.push_str(&encode_option(&self.os_version));
            for feature in &features {
                os.push('+');
                os.push_str(feature);
            }
            os.push(')');
        }
        f.write_str(&path::join(&[&os, &self.architecture, &self.variant]))
    }
}

/// `name[(version[+feature]*)]`.
fn parse_os(text: &str) -> Option<Platform> {
    let name_len = text
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        .count();
    let (name, options) = text.split_at_checked(name_len)?;
    if name.is_empty() {
        return None;
    }
    let mut platform = Platform::new(&normalize_os(name), "", "");
    if options.is_empty() {
        return Some(platform);
    }
    let inner = options.strip_prefix('(')?.strip_suffix(')')?;
    if !inner
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'%' | b'-' | b'+'))
    {
        return None;
    }
    let mut parts = inner.split('+');
    platform.os_version = decode_option(parts.next()?)?;
    for feature in parts {
        if feature.is_empty() {
            return None;
        }
        platform.os_features.push(decode_option(feature)?);
    }
    Some(platform)
}

fn normalize_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "" => "linux".to_owned(),
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

fn normalize_arch(architecture: &str, variant: &str) -> (String, String) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

fn encode_option(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '+' => out.push_str("%2B"),
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '/' => out.push_str("%2F"),
            c => out.push(c),
        }
    }
    out
}

fn decode_option(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || {
            char::from(bytes.next()?)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        out.push(digit()? * 16 + digit()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match Platform::parse(text, &Platform::new("linux", "amd64", "")) {
            Ok(platform) => platform.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn reads_specifiers() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/arm64", "linux/arm64"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("linux/arm", "linux/arm"),
            ("linux/armhf", "linux/arm"),
            ("linux/arm/6", "linux/arm/v6"),
            ("arm64", "linux/arm64"),
            ("windows", "windows/amd64"),
            ("macos/arm64", "darwin/arm64"),
            ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"),
            (
                "windows(10.0.17763+win32k)/amd64",
                "windows(10.0.17763+win32k)/amd64",
            ),
            ("plan10/z80", "plan10/z80"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_containerd_refuses() {
        for text in [
            "",
            "/",
            "linux/",
            "z80",
            "linux/a/b/c",
            "linux/*",
            "lin ux/amd64",
            "linux(/amd64",
            "linux(1++a)/x",
        ] {
            assert!(parsed(text).starts_with('!'), "{text:?}");
        }
    }

    #[test]
    fn normalises_for_comparison() {
        let host = Platform::new("linux", "amd64", "");
        let arm = Platform::parse("linux/arm64/v8", &host).expect("valid");
        assert_eq!(arm.normalize().to_string(), "linux/arm64");
        assert_eq!(
            Platform::new("linux", "arm", "").normalize().to_string(),
            "linux/arm/v7"
        );
        assert_eq!(arm.short(), "linux/arm64/v8");
    }
}
