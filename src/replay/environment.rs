//! What tells the tools of a step where the network is: variables, and files that these name. Nothing of the image changes.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use sha1_checked::{Digest as _, Sha1};

use super::certificate::Authority;

/// Where the lists of authorities of common distributions lie.
pub const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];
/// Where Debian and Alpine have authorities that come into the list as soon as `ca-certificates` is installed, which a step may do.
const ADDED: &str = "/usr/local/share/ca-certificates";
/// Largest file of an image that is read.
const MAX_FILE: u64 = 16 << 20;
/// Largest of the lists together.
const MAX_LIST: usize = 32 << 20;

/// Variables that name a file with authorities in PEM, by whom they are read.
const AUTHORITIES: [&str; 17] = [
    // OpenSSL, Go, rustls, Ruby, Python's ssl, PHP's Composer, uv
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    // pip; requests, and what is built on it
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "DENO_CERT",
    // apk
    "SSL_CA_CERT_FILE",
    "PERL_LWP_SSL_CA_FILE",
    "HEX_CACERTS_PATH",
    "BUNDLE_SSL_CA_CERT",
    "NIX_SSL_CERT_FILE",
    "AWS_CA_BUNDLE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "CONDA_SSL_VERIFY",
];

/// The same of Node and what is built on it, which take the whole list apart for every connection: a tenth of a second each. They
/// get the step's own authority alone; all they connect to outside is behind it.
const ONE_AUTHORITY: [&str; 4] = [
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CAFILE",
    "npm_config_cafile",
    "YARN_HTTPS_CA_FILE_PATH",
];

/// The step's own variables, as far as they matter here.
pub type Variables = BTreeMap<String, String>;

/// The authorities that the image itself trusts, as PEM; what the step's own variables name comes first.
#[must_use]
pub fn authorities(own: &Variables) -> String {
    let named = AUTHORITIES.iter().chain(&ONE_AUTHORITY);
    let named = named.filter_map(|name| own.get(*name));
    let paths = named
        .map(PathBuf::from)
        .chain(BUNDLES.iter().map(PathBuf::from))
        .chain(added());
    let mut seen = Vec::new();
    let mut text = String::new();
    for path in paths {
        let Ok(path) = path.canonicalize() else {
            continue;
        };
        if seen.contains(&path) {
            continue;
        }
        let small =
            fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() <= MAX_FILE);
        if let Some(file) = small.then(|| fs::read_to_string(&path).ok()).flatten()
            && text.len().saturating_add(file.len()) <= MAX_LIST
        {
            text.push_str(file.trim_end());
            text.push('\n');
        }
        seen.push(path);
    }
    text
}

/// The files in [`ADDED`].
fn added() -> Vec<PathBuf> {
    let entries = fs::read_dir(ADDED).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "crt"))
        .collect();
    paths.sort();
    paths
}

/// Writes the files into `folder`, which is made, and gives the variables for the step's command.
///
/// # Errors
/// Whatever the file system says.
pub fn prepare(
    folder: &Path,
    authority: &Authority,
    image: &str,
    proxy: &str,
    own: &Variables,
) -> io::Result<Vec<(String, String)>> {
    match fs::create_dir(folder) {
        // What another launcher of the same step left, which ended.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_dir_all(folder)?;
            fs::create_dir(folder)?;
        }
        other => other?,
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let write = |name: &str, bytes: &[u8]| -> io::Result<String> {
        let path = folder.join(name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        Ok(path.display().to_string())
    };
    let mut variables = Vec::new();
    let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));

    let url = format!("http://{proxy}");
    for name in ["http_proxy", "https_proxy", "all_proxy", "ftp_proxy"] {
        set(name, &url);
        set(&name.to_ascii_uppercase(), &url);
    }
    for name in ["no_proxy", "NO_PROXY"] {
        set(name, "localhost,127.0.0.1,::1");
    }
    set("NODE_USE_ENV_PROXY", "1");

    let list = write("ca.pem", format!("{image}{}", authority.pem()).as_bytes())?;
    for name in AUTHORITIES {
        set(name, &list);
    }
    let one = write("authority.pem", authority.pem().as_bytes())?;
    for name in ONE_AUTHORITY {
        set(name, &one);
    }

    let mut wget = match own.get("WGETRC") {
        Some(path) => small_file(Path::new(path)),
        None => own.get("HOME").map_or_else(String::new, |home| {
            small_file(&Path::new(home).join(".wgetrc"))
        }),
    };
    wget.push_str(&format!("\nca_certificate = {list}\n"));
    set("WGETRC", &write("wgetrc", wget.as_bytes())?);

    // What was recorded once is still right when the archive's own time for it has passed.
    let mut apt = own
        .get("APT_CONFIG")
        .map_or_else(String::new, |path| small_file(Path::new(path)));
    apt.push_str(&format!(
        "\nAcquire::https::CAInfo \"{list}\";\nAcquire::Check-Valid-Until \"false\";\n"
    ));
    set("APT_CONFIG", &write("apt.conf", apt.as_bytes())?);

    let store = write("java.jks", &key_store(authority.der()))?;
    let (host, port) = proxy.rsplit_once(':').unwrap_or((proxy, ""));
    let mut java = own.get("JAVA_TOOL_OPTIONS").cloned().unwrap_or_default();
    for scheme in ["http", "https"] {
        java.push_str(&format!(
            " -D{scheme}.proxyHost={host} -D{scheme}.proxyPort={port}"
        ));
    }
    java.push_str(&format!(
        " -Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword={PASSWORD}"
    ));
    set("JAVA_TOOL_OPTIONS", java.trim_start());
    Ok(variables)
}

/// A text file of the image; empty if there is none, or it is no settings file by its size.
fn small_file(path: &Path) -> String {
    let small = fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() <= 1 << 20);
    small
        .then(|| fs::read_to_string(path).ok())
        .flatten()
        .unwrap_or_default()
}

/// What Java asks for to read a file that holds no secret.
const PASSWORD: &str = "changeit";

/// A Java key store with one trusted certificate.
///
/// Source: OpenJDK `sun.security.provider.JavaKeyStore`, `engineStore`: big endian; magic number, version 2, count; of a
/// trusted certificate 2, its alias, a time, the type and the certificate; then the SHA-1 over the password in UTF-16, the words
/// below, and all before.
fn key_store(certificate: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xfeed_feed_u32.to_be_bytes());
    out.extend(2_u32.to_be_bytes());
    out.extend(1_u32.to_be_bytes());
    out.extend(2_u32.to_be_bytes());
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
        out.extend(text.as_bytes());
    };
    text("verified-dockerfile", &mut out);
    out.extend(0_u64.to_be_bytes());
    text("X.509", &mut out);
    out.extend(
        u32::try_from(certificate.len())
            .unwrap_or_default()
            .to_be_bytes(),
    );
    out.extend(certificate);
    let mut hash = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        hash.update(unit.to_be_bytes());
    }
    hash.update(b"Mighty Aphrodite");
    hash.update(&out);
    out.extend(hash.finalize());
    out
}
