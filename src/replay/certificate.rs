//! Certificates for one step: an authority that exists as long as the step, and a certificate for each host it asks for.
//!
//! The keys never leave the launcher's memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions},
    sign::CertifiedKey,
};

/// The most hosts that certificates are kept for; a step that asks for more waits for a new one each time.
const MAX_HOSTS: usize = 10_000;
/// The most sessions that clients can come back to.
const MAX_SESSIONS: usize = 256;

/// The authority of one step.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    leaf: KeyPair,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    provider: Arc<CryptoProvider>,
    sessions: Arc<dyn StoresServerSessions>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("no certificate can be made: {0}")]
pub struct CertificateError(String);

fn failed(error: impl fmt::Display) -> CertificateError {
    CertificateError(error.to_string())
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn new() -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "verified-dockerfile, this step only");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        always(&mut params);
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            leaf: KeyPair::generate().map_err(failed)?,
            made: Mutex::default(),
            provider: Arc::new(ring::default_provider()),
            sessions: ServerSessionMemoryCache::new(MAX_SESSIONS),
        })
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its own certificate, as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate of `host`.
    fn certify(&self, host: &str) -> Result<Arc<CertifiedKey>, CertificateError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(host) {
            return Ok(Arc::clone(known));
        }
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
        // A common name may have 64 characters; clients look at the alternative names.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        always(&mut params);
        let certificate = params.signed_by(&self.leaf, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf.serialize_der()));
        let key = self
            .provider
            .key_provider
            .load_private_key(key)
            .map_err(failed)?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let certified = Arc::new(CertifiedKey::new(chain, key));
        if made.len() < MAX_HOSTS {
            made.insert(host.to_owned(), Arc::clone(&certified));
        }
        Ok(certified)
    }

    /// What a client gets that asks for `host` without saying so in its greeting, or for the host that it says.
    ///
    /// # Errors
    /// If no certificate can be made for the host.
    pub fn server(self: &Arc<Self>, host: Option<&str>) -> Result<ServerConfig, CertificateError> {
        let fallback = host.map(|host| self.certify(host)).transpose()?;
        let resolver = Resolver {
            authority: Arc::clone(self),
            fallback,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        // A client's second connection goes without a signature.
        config.session_storage = Arc::clone(&self.sessions);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Clocks of containers may be anywhere.
fn always(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
}

#[derive(Debug)]
struct Resolver {
    authority: Arc<Authority>,
    fallback: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(name) => self.authority.certify(name).ok(),
            None => self.fallback.clone(),
        }
    }
}
