//! A client for a registry over plain HTTP.
//!
//! Source: OCI distribution-spec v1.1.

use std::{fs::File, io, path::Path, time::Duration};

use serde_json::Value;
use sha2::{Digest, Sha256};
use ureq::{Agent, Body, SendBody, http::Response};

use crate::{
    Result,
    image::{self, Blob, Image},
};

const LIMIT: Duration = Duration::from_secs(60);
const UPLOAD_LIMIT: Duration = Duration::from_secs(10 * 60);
const ANY_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                            application/vnd.docker.distribution.manifest.v2+json, \
                            application/vnd.docker.distribution.manifest.list.v2+json";

/// A registry without authentication.
#[derive(Clone, Debug)]
pub struct Registry {
    agent: Agent,
    base: String,
}

impl Registry {
    /// The registry at `address`, `host:port`.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false);
        Self {
            agent: config.build().into(),
            base: format!("http://{address}/v2"),
        }
    }

    /// Pushes `image` and gives its manifest's digest.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> Result<String> {
        let (manifest, blobs) = image.build()?;
        for blob in &blobs {
            self.put_blob(repository, blob)?;
        }
        self.put_manifest(repository, tag, &manifest)
    }

    /// Pushes `images` and an index of them, and gives the index's digest.
    ///
    /// # Errors
    /// If the registry does not take them.
    pub fn push_index(&self, repository: &str, tag: &str, images: &[Image]) -> Result<String> {
        for image in images {
            let digest = image.build()?.0.digest();
            self.push(repository, &digest, image)?;
        }
        self.put_manifest(repository, tag, &image::index(images)?)
    }

    /// Pushes an image of one layer, which is the archive in the file `layer`, and gives its manifest's digest. `config` is the
    /// configuration's member of that name.
    ///
    /// # Errors
    /// If the file cannot be read, or the registry does not take it.
    pub fn push_file(
        &self,
        repository: &str,
        tag: &str,
        layer: &Path,
        config: &Value,
    ) -> Result<String> {
        let (digest, size) = digest_of(layer)?;
        let url = format!("{}/{repository}/blobs/{digest}", self.base);
        if self.agent.head(&url).call()?.status() != 200 {
            let url = self.upload(repository, &digest)?;
            let request = self
                .agent
                .put(&url)
                .config()
                .timeout_global(Some(UPLOAD_LIMIT))
                .build()
                .header("Content-Type", "application/octet-stream")
                .header("Content-Length", size.to_string());
            let mut file = File::open(layer)?;
            expect(request.send(SendBody::from_reader(&mut file))?, 201, &url)?;
        }
        let (manifest, config) = image::of_layer(&digest, size, config)?;
        self.put_blob(repository, &config)?;
        self.put_manifest(repository, tag, &manifest)
    }

    /// Puts a manifest under a tag or its digest, and gives its digest.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        manifest: &Blob,
    ) -> Result<String> {
        let url = format!("{}/{repository}/manifests/{reference}", self.base);
        let request = self
            .agent
            .put(&url)
            .header("Content-Type", &manifest.media_type);
        expect(request.send(&manifest.bytes)?, 201, &url)?;
        Ok(manifest.digest())
    }

    /// Puts a blob, unless it is there.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub fn put_blob(&self, repository: &str, blob: &Blob) -> Result<()> {
        let digest = blob.digest();
        let url = format!("{}/{repository}/blobs/{digest}", self.base);
        if self.agent.head(&url).call()?.status() == 200 {
            return Ok(());
        }
        let url = self.upload(repository, &digest)?;
        let request = self
            .agent
            .put(&url)
            .header("Content-Type", "application/octet-stream");
        expect(request.send(&blob.bytes)?, 201, &url)?;
        Ok(())
    }

    /// Where the blob with `digest` is to be put.
    fn upload(&self, repository: &str, digest: &str) -> Result<String> {
        let url = format!("{}/{repository}/blobs/uploads/", self.base);
        let session = expect(self.agent.post(&url).send_empty()?, 202, &url)?;
        let location = session
            .headers()
            .get("Location")
            .ok_or("no upload location")?
            .to_str()?;
        let separator = if location.contains('?') { '&' } else { '?' };
        Ok(format!("{location}{separator}digest={digest}"))
    }

    /// The manifest under a tag or digest.
    ///
    /// # Errors
    /// If it is not there.
    pub fn manifest(&self, repository: &str, reference: &str) -> Result<Blob> {
        self.get(&format!("{}/{repository}/manifests/{reference}", self.base))
    }

    /// The blob with `digest`.
    ///
    /// # Errors
    /// If it is not there.
    pub fn blob(&self, repository: &str, digest: &str) -> Result<Blob> {
        self.get(&format!("{}/{repository}/blobs/{digest}", self.base))
    }

    /// Removes a manifest by its digest, with the tags that lead to it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn delete(&self, repository: &str, digest: &str) -> Result<()> {
        let url = format!("{}/{repository}/manifests/{digest}", self.base);
        expect(self.agent.delete(&url).call()?, 202, &url)?;
        Ok(())
    }

    fn get(&self, url: &str) -> Result<Blob> {
        let mut answer = expect(
            self.agent.get(url).header("Accept", ANY_MANIFEST).call()?,
            200,
            url,
        )?;
        let media_type = answer
            .headers()
            .get("Content-Type")
            .map(|value| value.to_str().map(str::to_owned));
        let media_type = media_type.transpose()?.unwrap_or_default();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(u64::MAX)
            .read_to_vec()?;
        Ok(Blob { media_type, bytes })
    }
}

/// `sha256:` and the hash of a file, and its length.
fn digest_of(path: &Path) -> Result<(String, u64)> {
    let mut hash = Sha256::new();
    let size = io::copy(&mut File::open(path)?, &mut hash)?;
    Ok((image::named(&hash.finalize()), size))
}

fn expect(mut answer: Response<Body>, status: u16, url: &str) -> Result<Response<Body>> {
    if answer.status() == status {
        return Ok(answer);
    }
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    Err(format!("{url}: {} instead of {status}: {text}", answer.status()).into())
}
