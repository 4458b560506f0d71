//! Programs that load images.

use super::{Args, Notes, Tool, Weak, What};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &[
        "docker",
        "podman",
        "buildah",
        "nerdctl",
        "skopeo",
        "crane",
        "oras",
        "regctl",
        "ctr",
        "crictl",
        "img",
        "kaniko",
        "umoci",
        "apptainer",
        "singularity",
        "undock",
        "imgpkg",
    ],
    options: Options {
        style: Style::Gnu,
        short: "eputvwl",
        long: &[
            "platform",
            "authfile",
            "creds",
            "src-creds",
            "dest-creds",
            "cert-dir",
            "env",
            "volume",
            "user",
            "name",
            "override-arch",
            "override-os",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    match args.sub(0) {
        "pull" | "copy" | "cp" | "export" | "manifest" | "config" | "digest" | "ls" | "inspect"
        | "run" | "build" | "from" | "bud" | "blob" | "image" | "i" | "images" | "artifact"
        | "sync" | "compose" | "create" | "validate" => {
            notes.fetch(What::Image(args.sorted.rest(1).join(" ")));
            let off = args.sorted.options.iter().any(|given| {
                given.name.ends_with("tls-verify")
                    && given
                        .value
                        .as_ref()
                        .is_some_and(|value| value.known() == Some("false"))
            });
            if off || args.has(&["insecure"]) {
                notes
                    .weak
                    .push((Weak::Tls, "--tls-verify=false".to_owned(), args.span));
            }
        }
        "login" | "logout" | "version" | "info" | "tag" | "rmi" | "rm" | "ps" | "save" | "load"
        | "" => {}
        _ => notes.unclear(format!("what `{}` loads cannot be told", args.name)),
    }
}
