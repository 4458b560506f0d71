//! What a repository wants with each request: a login, or a token for it.

use serde::Deserialize;
use ureq::http::header;

use super::{
    Cause, Client, Repository,
    auth::{self, Challenge, Login, Secret},
    client::{code, object, refusal},
    transport::{Authorization, Channel, Of, Request, Response},
    url::{Scheme, Url},
};

/// The largest answer of a token service, in bytes.
const TOKEN_LIMIT: usize = 64 << 10;

impl Client {
    /// What the registry's challenge asks for.
    pub(super) fn authorize(
        &self,
        repository: &Repository,
        response: &Response,
    ) -> Result<Authorization, Cause> {
        let host = || repository.host().to_owned();
        let login = self.credentials.login(repository);
        let sendable = !matches!(login, None | Some(Login::Helper(_)));
        if sendable && response.channel != Channel::Verified {
            return Err(Cause::Unprotected { host: host() });
        }
        if let Some(Login::Bearer(token)) = &login {
            return Ok(Authorization {
                value: bearer(&token.0, host())?,
                login: true,
            });
        }
        let headers = response.headers.get_all(header::WWW_AUTHENTICATE);
        match Challenge::parse(headers.iter().filter_map(|value| value.to_str().ok())) {
            Some(Challenge::Basic) => match login.as_ref().and_then(Login::basic) {
                Some(value) => Ok(Authorization { value, login: true }),
                None => Err(self.unauthorized(repository, response)),
            },
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let realm = Url::parse(&realm).ok_or(Cause::Malformed {
                    host: host(),
                    what: "a challenge without a usable token service",
                })?;
                self.token(
                    repository,
                    response,
                    realm,
                    service.as_deref(),
                    scope.as_deref(),
                )
            }
            None => Err(self.unauthorized(repository, response)),
        }
    }

    /// A token from the service that the registry names.
    fn token(
        &self,
        repository: &Repository,
        response: &Response,
        realm: Url,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Authorization, Cause> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let host = realm.authority.clone();
        if realm.scheme == Scheme::Http && response.channel == Channel::Verified {
            return Err(Cause::Malformed {
                host,
                what: "a challenge that names a token service without TLS",
            });
        }
        let own = format!("repository:{}:pull", repository.path());
        let mut fields: Vec<(&str, &str)> = Vec::new();
        fields.extend(service.map(|service| ("service", service)));
        fields.push(("scope", &own));
        fields.extend(
            scope
                .filter(|scope| *scope != own)
                .map(|scope| ("scope", scope)),
        );
        let login = self.credentials.login(repository);
        let basic = login
            .as_ref()
            .and_then(Login::basic)
            .map(|value| Authorization { value, login: true });
        let refresh = match &login {
            Some(Login::Refresh(token)) => Some(token),
            _ => None,
        };
        let form = refresh.map(|token| {
            let mut fields = fields.clone();
            fields.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "verified-dockerfile"),
                ("refresh_token", token.0.as_str()),
            ]);
            Secret(encode(&fields))
        });
        let url = if form.is_some() {
            realm
        } else {
            realm.with_query(&encode(&fields))
        };
        let answer = self.transport.send(&Request {
            url,
            accept: "application/json",
            authorization: basic.as_ref(),
            form: form.as_ref(),
            limit: TOKEN_LIMIT,
            // The login would go along.
            redirects: 0,
            headers: &[],
            of: Of::Registry,
        })?;
        match answer.status {
            200 => {}
            401 | 403 => return Err(self.unauthorized(repository, &answer)),
            429 | 500..=599 => return Err(refusal(&answer)),
            // Above all not "not found", which would read as "there is no signature".
            _ => {
                return Err(Cause::Malformed {
                    host,
                    what: "no token",
                });
            }
        }
        let token: Option<Token> = object(&answer.body);
        let token = token
            .and_then(|token| token.token.or(token.access_token))
            .ok_or_else(|| Cause::Malformed {
                host: host.clone(),
                what: "no token",
            })?;
        Ok(Authorization {
            value: bearer(&token, host)?,
            login: basic.is_some() || form.is_some(),
        })
    }

    pub(super) fn unauthorized(&self, repository: &Repository, response: &Response) -> Cause {
        match self.credentials.helper(repository) {
            Some(helper) => {
                let host = repository.domain().to_owned();
                Cause::CredentialHelper {
                    host,
                    helper: helper.chars().take(64).collect(),
                }
            }
            None => Cause::Unauthorized {
                host: response.url.authority.clone(),
                code: code(response),
                sent: self.credentials.login(repository).is_some(),
            },
        }
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{key}={}", auth::query(value)))
        .collect();
    pairs.join("&")
}

/// A token as a header's value; one with other characters than visible ASCII is none.
fn bearer(token: &str, host: String) -> Result<Secret, Cause> {
    if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Secret(format!("Bearer {token}")))
    } else {
        Err(Cause::Malformed {
            host,
            what: "no token",
        })
    }
}
