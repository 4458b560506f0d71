//! Logins from a Docker `config.json`, and what a registry's challenge asks for.
//!
//! A login is for one host. It leaves this process in two ways only: to that host, or to the
//! token service that the host itself names, and both only over verified TLS.
//!
//! Source: RFC 9110 section 11.6.1 (challenges), the distribution project's token protocol, and
//! Docker's `config.json` (`auths`, `credHelpers`, `credsStore`).

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use base64ct::{Base64, Encoding as _};
use serde::Deserialize;

use super::{Cause, Error, Repository, helper, transport::held};

/// The largest `config.json` that is read, in bytes.
const CONFIG_LIMIT: usize = 1 << 20;

/// A text that no error and no log shows.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::resolve) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to log in at one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// User and password, for Basic or for a token service.
    Password { user: String, password: Secret },
    /// An OAuth 2 refresh token (`identitytoken`), for a token service.
    Refresh(Secret),
    /// A ready bearer token (`registrytoken`).
    Bearer(Secret),
    /// Kept by a program.
    Helper(String),
}

impl Login {
    /// The value of an `Authorization` header, where this login can be sent as it is.
    pub(super) fn basic(&self) -> Option<Secret> {
        match self {
            Self::Password { user, password } => {
                let pair = format!("{user}:{}", password.0);
                Some(Secret(format!(
                    "Basic {}",
                    Base64::encode_string(pair.as_bytes())
                )))
            }
            _ => None,
        }
    }
}

/// The logins of a Docker `config.json`. Printing it shows no secret.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    store: Option<String>,
    /// What helpers have said, by host; none if they are not to be asked.
    asked: Option<Arc<Mutex<BTreeMap<String, Option<Login>>>>>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Credentials {
    /// No logins: everything is asked for anonymously.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Reads the bytes of a `config.json`. Helpers are noted, not run.
    ///
    /// # Errors
    /// [`Cause::DockerConfig`] if it is over 1 MiB, is not JSON of that form, or a login is not `user:password`.
    pub fn from_docker_config(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |what| Error::new("the logins", Cause::DockerConfig(what));
        if bytes.len() > CONFIG_LIMIT {
            return Err(bad("it has more than 1 MiB"));
        }
        // What the parser says may quote a secret, so it is not repeated.
        let config: Config = serde_json::from_slice(bytes)
            .map_err(|_| bad("it is not JSON in the form Docker writes"))?;
        let mut logins = BTreeMap::new();
        for (key, auth) in config.auths {
            // An empty entry is what Docker leaves behind for a login in the store.
            if let Some(login) = auth.login().map_err(bad)? {
                logins.insert(host_of_key(&key), login);
            }
        }
        for (key, helper) in config.helpers {
            logins
                .entry(host_of_key(&key))
                .or_insert(Login::Helper(helper));
        }
        Ok(Self {
            logins,
            store: config.store.filter(|name| !name.is_empty()),
            asked: None,
        })
    }

    /// The same, and the helpers that it names are run when a registry wants a login.
    #[must_use]
    pub fn with_helpers(self) -> Self {
        Self {
            asked: Some(Arc::default()),
            ..self
        }
    }

    /// The login for a repository's registry. May run a helper, once for each host.
    pub(super) fn login(&self, repository: &Repository) -> Option<Login> {
        let written = self.written(repository).cloned();
        let helper = match &written {
            Some(Login::Helper(name)) => Some(name),
            Some(_) => None,
            None => self.store.as_ref(),
        };
        let (Some(asked), Some(helper)) = (&self.asked, helper) else {
            return written;
        };
        let host = canonical(repository.host());
        let server = match host.as_str() {
            "docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        let mut asked = held(asked);
        let found = asked
            .entry(host.clone())
            .or_insert_with(|| helper::get(helper, server));
        found.clone().or(written)
    }

    /// As the config has it. A login is for the host that is asked: for a mirror, the mirror's.
    fn written(&self, repository: &Repository) -> Option<&Login> {
        self.logins.get(&canonical(repository.host()))
    }

    /// Why a login that may exist could not be used: the name of the helper that keeps it.
    pub(super) fn helper(&self, repository: &Repository) -> Option<&str> {
        if self.asked.is_some() {
            return None;
        }
        match self.written(repository) {
            Some(Login::Helper(name)) => Some(name),
            Some(_) => None,
            None => self.store.as_deref(),
        }
    }
}

impl Auth {
    fn login(self) -> Result<Option<Login>, &'static str> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Login::Bearer(Secret(self.registrytoken))));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Login::Refresh(Secret(self.identitytoken))));
        }
        if !self.auth.is_empty() {
            let bytes =
                Base64::decode_vec(self.auth.trim()).map_err(|_| "an `auth` is not base64")?;
            let pair = String::from_utf8(bytes).map_err(|_| "an `auth` is not UTF-8")?;
            let (user, password) = pair
                .split_once(':')
                .ok_or("an `auth` is not user:password")?;
            // Docker pads with NUL bytes.
            let password = Secret(password.trim_end_matches('\0').to_owned());
            return Ok(Some(Login::Password {
                user: user.to_owned(),
                password,
            }));
        }
        if !self.username.is_empty() {
            let password = Secret(self.password);
            return Ok(Some(Login::Password {
                user: self.username,
                password,
            }));
        }
        Ok(None)
    }
}

/// `https://index.docker.io/v1/` is how Docker writes its hub; other keys are hosts or URLs.
fn host_of_key(key: &str) -> String {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    canonical(key.split_once('/').map_or(key, |(host, _)| host))
}

fn canonical(host: &str) -> String {
    match host {
        "index.docker.io" | super::DOCKER_HUB => "docker.io".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

/// What a `WWW-Authenticate` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from the service at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the values of all `WWW-Authenticate` headers; Bearer goes before Basic, others are passed over.
    pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for header in headers {
            for (scheme, params) in challenges(header) {
                let param = |name: &str| {
                    params
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.clone())
                };
                if scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = param("realm")
                {
                    return Some(Self::Bearer {
                        realm,
                        service: param("service"),
                        scope: param("scope"),
                    });
                }
                if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        basic
    }
}

type Params = Vec<(String, String)>;

/// Splits a header into schemes and their parameters. What does not fit ends the reading.
fn challenges(header: &str) -> Vec<(String, Params)> {
    let mut found: Vec<(String, Params)> = Vec::new();
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c == ',' || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let Some((_, params)) = found.last_mut() else {
                break;
            };
            let Some((value, after)) = value_of(value.trim_start()) else {
                break;
            };
            params.push((word.to_owned(), value));
            rest = after;
        } else {
            if word.is_empty() {
                break;
            }
            found.push((word.to_owned(), Vec::new()));
            rest = after;
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    found
}

/// A token or a quoted string at the start of `text`, and what follows it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            other => value.push(other),
        }
    }
}

/// `text` for the query of a URL: everything but RFC 3986's unreserved characters is escaped.
pub(super) fn query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Option<Challenge> {
        Challenge::parse([header].into_iter())
    }

    #[test]
    fn reads_challenges() {
        let bearer = |scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: "https://auth.registry.test/token".into(),
                service: Some("a, b".into()),
                scope: scope.map(str::to_owned),
            })
        };
        let realm = r#"realm="https://auth.registry.test/token""#;
        assert_eq!(
            parse(&format!(r#"Bearer {realm},service="a, b""#)),
            bearer(None)
        );
        assert_eq!(
            parse(&format!(r#"bearer {realm} , SERVICE = "a\, b" , scope=x"#)),
            bearer(Some("x"))
        );
        assert_eq!(
            parse(&format!(
                r#"Basic realm="x", Bearer {realm},service="a, b""#
            )),
            bearer(None)
        );
        assert_eq!(parse(r#"Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(parse("Basic"), Some(Challenge::Basic));
        for none in [
            "",
            ",",
            "=",
            "Bearer",
            r#"Bearer realm="open"#,
            "Negotiate abc==",
            r#"realm="x""#,
            "\u{e9}",
        ] {
            assert_eq!(parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn reads_a_docker_config() {
        let config = br#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"dTpw"},
            "a.test":{"username":"u","password":"p"},
            "http://B.test:5000/v2/":{"identitytoken":"idt"},
            "c.test":{"registrytoken":"rt"},
            "d.test":{}},
            "credHelpers":{"e.test":"ecr-login"},"credsStore":"desktop","psFormat":"x"}"#;
        let credentials = Credentials::from_docker_config(config).unwrap();
        let password = Login::Password {
            user: "u".into(),
            password: Secret("p".into()),
        };
        let login = |domain: &str| credentials.login(&Repository::new(domain, "x").unwrap());
        assert_eq!(login("docker.io"), Some(password.clone()));
        assert_eq!(login("registry-1.docker.io"), Some(password.clone()));
        assert_eq!(login("a.test"), Some(password.clone()));
        assert_eq!(
            login("b.test:5000"),
            Some(Login::Refresh(Secret("idt".into())))
        );
        assert_eq!(login("c.test"), Some(Login::Bearer(Secret("rt".into()))));
        assert_eq!(login("d.test"), None);
        assert_eq!(login("a.test:443"), None);
        assert_eq!(login("evil-a.test"), None);
        assert_eq!(password.basic().unwrap().0, "Basic dTpw");
        let helper = |domain: &str| {
            credentials
                .helper(&Repository::new(domain, "x").unwrap())
                .map(str::to_owned)
        };
        assert_eq!(helper("e.test").as_deref(), Some("ecr-login"));
        assert_eq!(helper("d.test").as_deref(), Some("desktop"));
        assert_eq!(helper("a.test"), None);
    }

    #[test]
    fn a_bad_config_is_an_error_without_the_secret() {
        let secret = "c2VjcmV0LXNlY3JldA";
        for bad in [
            format!(r#"{{"auths":{{"a.test":{{"auth":"{secret}="}}}}"#),
            format!(r#"{{"auths":{{"a.test":{{"auth":"{secret}!"}}}}}}"#),
            format!(r#"{{"auths":{{"a.test":{{"auth":"{secret}=="}}}}}}"#),
            format!(r#"{{"auths":{{"a.test":"{secret}"}}}}"#),
        ] {
            let error = Credentials::from_docker_config(bad.as_bytes()).unwrap_err();
            assert!(matches!(error.cause, Cause::DockerConfig(_)), "{error:?}");
            assert!(
                !format!("{error} {error:?}").contains("c2VjcmV0"),
                "{error:?}"
            );
        }
        let huge = vec![b' '; CONFIG_LIMIT + 1];
        assert!(Credentials::from_docker_config(&huge).is_err());
        let login = Login::Password {
            user: "u".into(),
            password: Secret("hunter2".into()),
        };
        assert!(!format!("{login:?}").contains("hunter2"));
    }

    #[test]
    fn escapes_queries() {
        assert_eq!(
            query("a/b+c v0.3&x=\u{e9}~"),
            "a%2Fb%2Bc%20v0.3%26x%3D%C3%A9~"
        );
    }
}
