//! OCI images made from bytes, the same bytes for the same input.
//!
//! Source: OCI image-spec v1.1 (`manifest.md`, `config.md`, `layer.md`, `image-index.md`); POSIX ustar for layers.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Result;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const BLOCK: usize = 512;

/// Bytes with a media type, as a registry keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What the bytes are.
    pub media_type: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// `sha256:` and the hash of the content.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// The OCI content descriptor.
    #[must_use]
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.bytes.len() })
    }
}

/// `sha256:` and the hash of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

/// `sha256:` and `hash`.
pub(crate) fn named(hash: &[u8]) -> String {
    hash.iter().fold("sha256:".to_owned(), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub struct Image {
    platform: String,
    config: serde_json::Map<String, Value>,
    layers: Vec<Vec<u8>>,
    compressed: bool,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            platform: "linux/amd64".to_owned(),
            config: serde_json::Map::new(),
            layers: Vec::new(),
            compressed: false,
        }
    }
}

impl Image {
    /// An image without layers for linux/amd64.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer.
    #[must_use]
    pub fn layer(mut self, tar: &Tar) -> Self {
        self.layers.push(tar.bytes());
        self
    }

    /// Sets a member of the config's `config` object: `Env`, `OnBuild`, `Entrypoint`, `Labels`, ...
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.config.insert(name.to_owned(), value);
        self
    }

    /// Sets the platform, `os/architecture[/variant]`.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.platform);
        self
    }

    /// Compresses the layers as gzip does.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// The manifest, and the config and layers that it names.
    ///
    /// # Errors
    /// If a layer cannot be compressed.
    pub fn build(&self) -> Result<(Blob, Vec<Blob>)> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        let mut config = platform(&self.platform);
        config["config"] = self.config.clone().into();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        let config = Blob {
            media_type: CONFIG.to_owned(),
            bytes: serde_json::to_vec(&config)?,
        };
        let layers = self.layers.iter().map(|layer| {
            Ok(if self.compressed {
                Blob {
                    media_type: format!("{LAYER}+gzip"),
                    bytes: gzip(layer)?,
                }
            } else {
                Blob {
                    media_type: LAYER.to_owned(),
                    bytes: layer.clone(),
                }
            })
        });
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        });
        let manifest = Blob {
            media_type: MANIFEST.to_owned(),
            bytes: serde_json::to_vec(&manifest)?,
        };
        Ok((manifest, [vec![config], layers].concat()))
    }
}

/// The manifest and the configuration of an image for linux/amd64 with one layer, an archive with that digest and size.
pub(crate) fn of_layer(digest: &str, size: u64, config: &Value) -> Result<(Blob, Blob)> {
    let mut whole = platform(&Image::default().platform);
    whole["config"] = config.clone();
    whole["rootfs"] = json!({ "type": "layers", "diff_ids": [digest] });
    let config = Blob {
        media_type: CONFIG.to_owned(),
        bytes: serde_json::to_vec(&whole)?,
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [{ "mediaType": LAYER, "digest": digest, "size": size }],
    });
    let manifest = Blob {
        media_type: MANIFEST.to_owned(),
        bytes: serde_json::to_vec(&manifest)?,
    };
    Ok((manifest, config))
}

/// An index of the manifests of `images`, each with its platform.
///
/// # Errors
/// If one of them cannot be built.
pub fn index(images: &[Image]) -> Result<Blob> {
    let manifests = images.iter().map(|image| {
        let mut descriptor = image.build()?.0.descriptor();
        descriptor["platform"] = platform(&image.platform);
        Ok(descriptor)
    });
    let manifests = manifests.collect::<Result<Vec<_>>>()?;
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    Ok(Blob {
        media_type: INDEX.to_owned(),
        bytes: serde_json::to_vec(&index)?,
    })
}

fn platform(text: &str) -> Value {
    let mut parts = text.split('/');
    let mut platform = json!({ "os": parts.next(), "architecture": parts.next() });
    if let Some(variant) = parts.next() {
        platform["variant"] = variant.into();
    }
    platform
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // Neither time nor name in the header, so that it is the same each time.
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A file system layer. Everything in it belongs to root and is as old as Unix.
#[derive(Clone, Debug, Default)]
pub struct Tar {
    entries: Vec<u8>,
}

impl Tar {
    /// A layer with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder that everybody can read. Paths are without a leading slash.
    #[must_use]
    pub fn folder(self, path: &str) -> Self {
        self.entry(&format!("{path}/"), b'5', 0o755, "", &[])
    }

    /// Adds a file with `mode`.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(path, b'0', mode, "", content)
    }

    /// Adds a symbolic link to `target`.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, b'2', 0o777, target, &[])
    }

    fn entry(mut self, path: &str, kind: u8, mode: u32, target: &str, content: &[u8]) -> Self {
        let mut header = [0; BLOCK];
        let mut put = |offset: usize, bytes: &[u8]| {
            header[offset..offset + bytes.len()].copy_from_slice(bytes)
        };
        assert!(
            path.len() <= 100 && target.len() <= 100,
            "{path}: longer than a ustar header holds"
        );
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{:011o}", content.len()).as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.entries.extend(header);
        self.entries.extend(content);
        self.entries
            .resize(self.entries.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// The archive.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.entries.clone();
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }
}
