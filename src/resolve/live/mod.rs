//! Answers from the world outside, asked from the desk: registries, servers of files, git.
//!
//! Each thing is asked for once, whoever wants it and how often; many things at the same time, within limits for all and for
//! each host. The work itself blocks, and is done by threads of its own.

use std::{
    cell::RefCell, collections::BTreeMap, future::Future, rc::Rc, sync::Arc, time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{OnceCell, Semaphore};

use super::{Commit, Image, Resolve, ResolveError};
use crate::{
    digest::Digest,
    fetch::{GitSource, ImageConfig, Platform},
    policy::Unchecked,
    reference::ImageReference,
    resolve::{bytes, registry::Client},
    verify::{Proof, Signer, git::Objects},
};

mod git;
mod http;
mod image;
mod machine;

pub use http::Download;
pub use machine::{Machine, Places};

/// How many requests run at the same time, if nothing else is said.
pub const JOBS: usize = 16;
/// Time for one question to a registry or for one small file, attempts and pauses included.
const QUESTION: Duration = Duration::from_secs(180);

/// Sees what is going on. Called by several threads.
pub trait Watch: Send + Sync {
    /// A request for `what` begins.
    fn started(&self, what: &str);
    /// It has ended, well or not.
    fn finished(&self, what: &str);
    /// So many bytes of a file are here.
    fn received(&self, what: &str, bytes: u64);
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn started(&self, _: &str) {}
    fn finished(&self, _: &str) {}
    fn received(&self, _: &str, _: u64) {}
}

/// The desk's resolver.
pub struct Live {
    client: Client,
    machine: Machine,
    watch: Arc<dyn Watch>,
    all: Arc<Semaphore>,
    jobs: usize,
    hosts: RefCell<BTreeMap<String, Arc<Semaphore>>>,
    manifests: Once<(String, String), image::Found>,
    configs: Once<(String, Digest), image::Config>,
    proofs: Once<(String, Digest), Vec<Proof>>,
    attestations: Once<(String, Digest), Vec<(Digest, Proof)>>,
    files: Once<String, Rc<Download>>,
    small: Once<(String, usize), Vec<u8>>,
    /// A folder that stands for that of a URL: what is in it is not asked for.
    beside: RefCell<Option<(String, std::path::PathBuf)>>,
    commits: Once<(String, String), Commit>,
    objects: Once<(String, String, String), Objects>,
    /// When things were made, by the digest or commit that they are fixed to.
    made: RefCell<BTreeMap<String, Timestamp>>,
}

impl Live {
    /// A resolver for a machine that is set up as `machine` says; at most `jobs` requests at the same time.
    ///
    /// # Errors
    /// A sentence: the machine's trusted roots cannot be read.
    pub fn new(machine: Machine, jobs: usize, watch: Arc<dyn Watch>) -> Result<Self, String> {
        let jobs = jobs.clamp(1, 256);
        Ok(Self {
            client: Client::new(machine.options()).map_err(|error| error.to_string())?,
            machine,
            watch,
            all: Arc::new(Semaphore::new(jobs)),
            jobs,
            hosts: RefCell::default(),
            manifests: Once::default(),
            configs: Once::default(),
            proofs: Once::default(),
            attestations: Once::default(),
            files: Once::default(),
            small: Once::default(),
            beside: RefCell::default(),
            commits: Once::default(),
            objects: Once::default(),
            made: RefCell::default(),
        })
    }

    /// When the image, file or commit that is fixed to `pin` was made, if that was learnt on the way. Nobody vouches for it.
    #[must_use]
    pub fn made(&self, pin: &str) -> Option<Timestamp> {
        self.made.borrow().get(pin).copied()
    }

    /// The file at `url`, downloaded.
    ///
    /// # Errors
    /// Whatever the server or the network says.
    pub async fn download(&self, url: &str) -> Result<Rc<Download>, ResolveError> {
        let make = async || {
            let (asked, host) = (url.to_owned(), http::host(url)?);
            let watch = Arc::clone(&self.watch);
            let file = self
                .ask(&host, url, http::TOTAL, move |client| {
                    let note = |bytes| watch.received(&asked, bytes);
                    http::download(&client.transport, &asked, http::Limits::default(), &note)
                })
                .await?;
            if let Some(made) = file.modified {
                self.made.borrow_mut().insert(file.sha256.to_string(), made);
            }
            Ok(Rc::new(file))
        };
        self.files.get(url.to_owned(), make).await
    }

    /// Takes the file at `path` for what `url` serves, and what is beside it for what is beside the URL.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn preset(&self, url: &str, path: &std::path::Path) -> std::io::Result<Rc<Download>> {
        let file = Rc::new(http::Download::of(std::fs::File::open(path)?)?);
        let (folder, _) = url.rsplit_once('/').unwrap_or_default();
        let local = path.parent().unwrap_or(std::path::Path::new(""));
        *self.beside.borrow_mut() = Some((format!("{folder}/"), local.to_path_buf()));
        self.files.set(url.to_owned(), Rc::clone(&file));
        Ok(file)
    }

    /// Asks for an image, and its signatures if they are `signed`, so that the answers are there when they are wanted. What fails
    /// is told to whoever wants it.
    pub async fn prefetch(&self, reference: &ImageReference, platform: &Platform, signed: bool) {
        let signatures = async {
            if signed && let Ok(digest) = self.digest_of(reference).await {
                let _ = self.collect_signatures(reference, &digest).await;
            }
        };
        let _ =
            futures_util::future::join(self.resolve_image(reference, platform), signatures).await;
    }

    /// Does `work` on a thread of its own when it is its turn.
    async fn ask<T: Send + 'static>(
        &self,
        host: &str,
        what: &str,
        time: Duration,
        work: impl FnOnce(Client) -> Result<T, ResolveError> + Send + 'static,
    ) -> Result<T, ResolveError> {
        let of_host = Arc::clone(
            self.hosts
                .borrow_mut()
                .entry(host.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(self.jobs.min(JOBS)))),
        );
        // First the host's, so that a slow one holds up only its own.
        let _of_host = of_host.acquire_owned().await.map_err(internal)?;
        let _of_all = self.all.acquire().await.map_err(internal)?;
        let client = self.client.renewed(time);
        self.watch.started(what);
        let done = tokio::task::spawn_blocking(move || work(client)).await;
        self.watch.finished(what);
        done.map_err(internal)?
    }
}

impl Resolve for Live {
    async fn image(
        &self,
        reference: &ImageReference,
        platform: &Platform,
    ) -> Result<Image, ResolveError> {
        self.resolve_image(reference, platform).await
    }

    async fn context(&self, _: &str, _: &str, _: &Platform) -> Result<ImageConfig, ResolveError> {
        Ok(ImageConfig::default())
    }

    async fn http(&self, url: &str) -> Result<Digest, ResolveError> {
        Ok(self.download(url).await?.sha256.clone())
    }

    async fn git(&self, source: &GitSource) -> Result<Commit, ResolveError> {
        let key = (source.remote.clone(), source.reference.clone());
        let make = async || {
            let (remote, reference) = key.clone();
            let host = git::host(&remote);
            let work = move |_| git::resolve(&remote, &reference);
            self.ask(&host, &source.remote, git::PATIENCE, work).await
        };
        self.commits.get(key.clone(), make).await
    }

    async fn signatures(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        // There is no cache that outlives this process.
        _: bool,
    ) -> Result<Vec<Proof>, ResolveError> {
        self.collect_signatures(reference, digest).await
    }

    async fn attestations(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        _: bool,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        self.collect_attestations(reference, digest).await
    }

    async fn small_file(&self, url: &str, limit: usize) -> Result<Vec<u8>, ResolveError> {
        if let Some(bytes) = self.local(url, limit) {
            return Ok(bytes);
        }
        let make = async || {
            let (asked, host) = (url.to_owned(), http::host(url)?);
            let work = move |client: Client| http::small(&client.transport, &asked, limit);
            self.ask(&host, url, QUESTION, work).await
        };
        self.small.get((url.to_owned(), limit), make).await
    }

    async fn over_bytes(
        &self,
        url: &str,
        digest: &Digest,
        checks: &[Unchecked],
        now: Timestamp,
    ) -> Result<Vec<Result<Signer, String>>, ResolveError> {
        let file = self.the_file(url, digest).await?;
        Ok(bytes::check(&*file, digest, checks, now))
    }

    async fn digests(&self, url: &str, digest: &Digest) -> Result<Vec<Digest>, ResolveError> {
        let file = self.the_file(url, digest).await?;
        Ok(vec![file.sha384.clone(), file.sha512.clone()])
    }

    async fn objects(&self, source: &GitSource, commit: &str) -> Result<Objects, ResolveError> {
        let (remote, reference) = (source.remote.clone(), source.reference.clone());
        let key = (remote.clone(), reference.clone(), commit.to_owned());
        let make = async || {
            let (host, commit) = (git::host(&remote), commit.to_owned());
            let (asked, reference) = (remote.clone(), reference.clone());
            let work = move |_| git::objects(&asked, &reference, &commit);
            let found = self.ask(&host, &remote, git::PATIENCE, work).await?;
            if let Some(made) = found.commit.as_deref().and_then(git::committed) {
                self.made.borrow_mut().insert(key.2.clone(), made);
            }
            Ok(found)
        };
        self.objects.get(key.clone(), make).await
    }
}

impl Live {
    /// The file of this machine that stands for `url`.
    fn local(&self, url: &str, limit: usize) -> Option<Vec<u8>> {
        use std::io::Read as _;
        let (folder, local) = self.beside.borrow().clone()?;
        let name = url.strip_prefix(&folder)?;
        if name.is_empty() || name.contains(['/', '?', '%']) || name.starts_with('.') {
            return None;
        }
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        let file = std::fs::File::open(local.join(name)).ok()?;
        file.take(most).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= limit).then_some(bytes)
    }

    /// The file at `url`, if it still is what it is fixed to.
    async fn the_file(&self, url: &str, digest: &Digest) -> Result<Rc<Download>, ResolveError> {
        let file = self.download(url).await?;
        if [&file.sha256, &file.sha384, &file.sha512].contains(&digest) {
            return Ok(file);
        }
        Err(ResolveError::Failed {
            cause: format!("{url} now serves {}, not {digest}", file.sha256),
            next: "find out why it changed; if that is right, renew it: `lock --update=URL`"
                .to_owned(),
        })
    }
}

/// What was asked for once.
struct Once<K, T>(RefCell<BTreeMap<K, Answer<T>>>);

type Answer<T> = Rc<OnceCell<Result<T, ResolveError>>>;

impl<K, T> Default for Once<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Ord, T: Clone> Once<K, T> {
    /// The answer to `key`: whoever comes first makes it, the others wait for it.
    async fn get<F: Future<Output = Result<T, ResolveError>>>(
        &self,
        key: K,
        make: impl FnOnce() -> F,
    ) -> Result<T, ResolveError> {
        let cell = Rc::clone(self.0.borrow_mut().entry(key).or_default());
        cell.get_or_init(make).await.clone()
    }

    fn set(&self, key: K, value: T) {
        let cell = Rc::new(OnceCell::new_with(Some(Ok(value))));
        self.0.borrow_mut().insert(key, cell);
    }
}

fn internal(error: impl std::fmt::Display) -> ResolveError {
    ResolveError::Failed {
        cause: format!("the work was not done: {error}"),
        next: "please report this".to_owned(),
    }
}

/// A text for a terminal: short, without control characters, and without what stands before an `@` in a URL.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        match word.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
                let host = authority
                    .rsplit_once('@')
                    .map_or(authority, |(_, host)| host);
                // A query may hold a secret, too.
                let path = path.split('?').next().unwrap_or_default();
                out.push_str(&format!("{scheme}://{host}{path}"));
                if word.ends_with(char::is_whitespace) && !path.ends_with(char::is_whitespace) {
                    out.push(' ');
                }
            }
            None => out.push_str(word),
        }
    }
    out.chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests;
