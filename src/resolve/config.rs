//! The part of an image's configuration that decides what a Dockerfile built upon it does.

use serde::Deserialize;

use crate::fetch::ImageConfig;

/// The largest configuration that is read, in bytes. Registries limit manifests to 4 MiB; configurations
/// are of the same order.
pub const MAX_CONFIG: usize = 8 << 20;

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    rootfs: Option<RootFs>,
    #[serde(default)]
    history: Option<Vec<History>>,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "Env", default)]
    env: Option<Vec<String>>,
    #[serde(rename = "OnBuild", default)]
    onbuild: Option<Vec<String>>,
    #[serde(rename = "Shell", default)]
    shell: Option<Vec<String>>,
    #[serde(rename = "WorkingDir", default)]
    working_dir: Option<String>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    empty_layer: bool,
}

/// Reads an image configuration (OCI image-spec `config.md`, with Docker's additions).
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(json: &[u8]) -> Result<ImageConfig, String> {
    if json.len() > MAX_CONFIG {
        return Err(format!(
            "the image's configuration has more than {MAX_CONFIG} bytes"
        ));
    }
    let image: Image = serde_json::from_slice(json)
        .map_err(|error| format!("the image's configuration cannot be read: {error}"))?;
    let config = image.config.unwrap_or_default();
    let layers = image
        .rootfs
        .and_then(|rootfs| rootfs.diff_ids)
        .unwrap_or_default();
    // As BuildKit decides it (dockerfile2llb/convert.go): schema 1 images list no layers.
    let layered = !layers.is_empty()
        || image
            .history
            .unwrap_or_default()
            .iter()
            .any(|entry| !entry.empty_layer);
    Ok(ImageConfig {
        os: image.os.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        onbuild: config.onbuild.unwrap_or_default(),
        shell: config.shell.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        layerless: !layered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_decides_and_nothing_else() {
        let json = br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:0"]},
            "config":{"Env":["A=b"],"OnBuild":["RUN x"],"Shell":null,"WorkingDir":"/w","User":"me"}}"#;
        let config = parse(json).unwrap();
        assert_eq!(config.env, ["A=b"]);
        assert_eq!(config.onbuild, ["RUN x"]);
        assert_eq!(
            (config.os.as_str(), config.working_dir.as_str()),
            ("linux", "/w")
        );
        assert!(!config.layerless);
    }

    #[test]
    fn without_layers_is_told_apart() {
        assert!(
            parse(br#"{"rootfs":{"diff_ids":null},"history":[{"empty_layer":true}]}"#)
                .unwrap()
                .layerless
        );
        assert!(
            !parse(br#"{"history":[{"created_by":"x"}]}"#)
                .unwrap()
                .layerless
        );
    }

    #[test]
    fn bad_configurations_are_errors() {
        for bad in ["", "{", "1", "{\"config\":{\"OnBuild\":\"RUN\"}}"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(&vec![b' '; MAX_CONFIG + 1]).is_err());
    }
}
