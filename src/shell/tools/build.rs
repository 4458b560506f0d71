//! Build tools: what they run stands in files of the project, and some load what those name.

use super::{Args, Notes, Tool};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &[
            "make",
            "gmake",
            "bmake",
            "cmake",
            "ctest",
            "ninja",
            "samu",
            "meson",
            "scons",
            "waf",
            "bazel",
            "bazelisk",
            "buck",
            "buck2",
            "pants",
            "just",
            "task",
            "ant",
            "configure",
            "autoreconf",
            "autogen.sh",
            "qmake",
            "premake5",
            "xmake",
            "rebar",
            "debuild",
            "dpkg-buildpackage",
            "rpmbuild",
            "abuild",
            "makepkg",
            "catkin",
            "colcon",
            "earthly",
            "tox",
            "nox",
            "invoke",
            "fab",
            "snapcraft",
            "lake",
            "zig",
            "swift",
            "vcpkg",
            "conan",
            "hunter",
        ],
        options: Options {
            style: Style::Gnu,
            short: "CfjoWIDGSB",
            long: &["directory", "file", "jobs", "build", "install-prefix"],
        },
        read,
    },
    Tool {
        names: &[
            "mvn",
            "mvnd",
            "gradle",
            "sbt",
            "lein",
            "mill",
            "ivy",
            "clojure",
            "clj",
            "boot",
            "kotlinc-native",
            "coursier",
            "cs",
        ],
        options: Options {
            style: Style::Gnu,
            short: "fplDPsI",
            long: &["file", "settings", "projects"],
        },
        read: java,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    match (args.name, args.sub(0)) {
        ("vcpkg" | "conan", "install" | "create" | "download") => {
            notes.packages(args.sorted.rest(1))
        }
        ("zig", "cc" | "c++" | "ar" | "version" | "env")
        | ("make" | "gmake", "clean" | "distclean") => {
            if args.name != "zig" && args.sorted.operands.len() > 1 {
                notes.unclear(format!("`{}` runs what the project says", args.name));
            }
        }
        ("swift", "package" | "build") => notes.packages(Vec::new()),
        _ => notes.unclear(format!("`{}` runs what the project says", args.name)),
    }
}

fn java(args: &Args<'_>, notes: &mut Notes) {
    if !args.has(&["o", "offline"]) {
        notes.packages(Vec::new());
    }
}
