//! Compiles `proto/` to Rust: the messages and the client.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/gateway.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .btree_map(".")
        // Workers come as JSON with the OCI image specification's names for a platform's fields.
        .message_attribute("Platform", "#[derive(serde::Deserialize)]")
        .message_attribute("Platform", "#[serde(default)]")
        .field_attribute("Platform.os_version", "#[serde(rename = \"os.version\")]")
        .field_attribute("Platform.os_features", "#[serde(rename = \"os.features\")]")
        .compile_fds(files)?;
    Ok(())
}
