//! Programs that load from stores of a cloud.

use super::{Args, Notes, Tool, What};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &[
        "aws",
        "gsutil",
        "gcloud",
        "bq",
        "az",
        "azcopy",
        "s3cmd",
        "mc",
        "rclone",
        "oci",
        "doctl",
        "ibmcloud",
        "heroku",
        "huggingface-cli",
        "hf",
        "kaggle",
        "gdown",
        "dvc",
        "jfrog",
        "jf",
    ],
    options: Options {
        style: Style::Gnu,
        short: "",
        long: &[
            "region",
            "profile",
            "endpoint-url",
            "project",
            "output",
            "bucket",
            "key",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    if matches!(
        (args.name, args.sub(0)),
        (
            "aws" | "gcloud" | "az",
            "configure" | "config" | "auth" | "login" | "account"
        )
    ) {
        return;
    }
    let addresses: Vec<String> = args
        .sorted
        .operands
        .iter()
        .map(|field| field.shown())
        .filter(|word| word.contains("://"))
        .map(|word| crate::shell::redacted(&word).0)
        .collect();
    if addresses.is_empty() {
        let words: Vec<String> = args.sorted.rest(0).into_iter().take(4).collect();
        notes.fetch(What::Packages(words));
    } else {
        notes.fetch(What::Url(addresses));
    }
    if args.has(&["no-verify-ssl"]) {
        notes
            .weak
            .push((super::Weak::Tls, "--no-verify-ssl".to_owned(), args.span));
    }
}
