//! Package managers of other languages, and interpreters.

use super::{Args, Notes, Tool, Weak, is_url};
use crate::shell::options::{FLAGS, Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["composer", "composer.phar"],
        options: Options {
            style: Style::Gnu,
            short: "d",
            long: &["working-dir", "prefer-install", "repository"],
        },
        read: composer,
    },
    Tool {
        names: &["dotnet", "nuget", "paket", "choco", "winget", "scoop"],
        options: FLAGS,
        read: dotnet,
    },
    Tool {
        names: &[
            "cabal",
            "stack",
            "ghcup",
            "opam",
            "luarocks",
            "cpan",
            "cpanm",
            "cpm",
            "pear",
            "pecl",
            "tlmgr",
            "mix",
            "rebar3",
            "hex",
            "nimble",
            "shards",
            "dub",
            "raco",
            "ros",
            "install2.r",
            "installr",
            "dart",
            "flutter",
            "pub",
            "helm",
            "terraform",
            "tofu",
            "packer",
            "ansible-galaxy",
            "vagrant",
            "kubectl",
            "krew",
            "plugin",
            "jenkins-plugin-cli",
            "install-plugins.sh",
            "docker-php-ext-install",
            "docker-php-ext-enable",
            "install-php-extensions",
            "playwright",
            "puppeteer",
            "cypress",
            "spack",
            "sdkmanager",
        ],
        options: FLAGS,
        read: other,
    },
    Tool {
        names: &[
            "perl",
            "php",
            "lua",
            "tclsh",
            "java",
            "r",
            "rscript",
            "julia",
            "guile",
            "sbcl",
            "erl",
            "elixir",
            "osascript",
            "groovy",
            "jshell",
            "racket",
            "ocaml",
            "gdb",
            "emacs",
            "vim",
            "nvim",
        ],
        options: Options {
            style: Style::Gnu,
            short: "eErdM",
            long: &["eval"],
        },
        read: script,
    },
];

fn composer(args: &Args<'_>, notes: &mut Notes) {
    match args.sub(0) {
        "install" | "update" | "require" | "create-project" | "global" | "self-update" | "i"
        | "u" => {
            notes.packages(args.sorted.rest(1));
        }
        "config" => {
            let words: Vec<String> = args.words.iter().map(|word| word.shown()).collect();
            let text = words.join(" ");
            if text.contains("disable-tls true") {
                notes
                    .weak
                    .push((Weak::Tls, "disable-tls true".to_owned(), args.span));
            } else if text.contains("secure-http false") {
                notes
                    .weak
                    .push((Weak::Plain, "secure-http false".to_owned(), args.span));
            }
        }
        "run" | "run-script" | "exec" => notes.unclear("`composer` runs a script of the project"),
        _ => {}
    }
}

fn dotnet(args: &Args<'_>, notes: &mut Notes) {
    let sub = args.sub(0);
    match (args.name, sub) {
        ("dotnet", "restore" | "add" | "tool" | "workload" | "nuget" | "new") => {
            notes.packages(args.sorted.rest(1));
        }
        ("dotnet", "build" | "publish" | "test" | "run" | "pack" | "msbuild" | "vstest")
            if !args.has(&["no-restore", "no-build"]) =>
        {
            notes.unclear(format!(
                "`dotnet {sub}` restores packages that are not there yet"
            ));
        }
        ("dotnet", _) if sub.ends_with(".dll") => notes.unclear(format!("it runs `{sub}`")),
        ("dotnet", _) => {}
        (_, "install" | "restore" | "update" | "upgrade") => {
            notes.packages(args.sorted.rest(1));
            notes.weak_option(
                args,
                Weak::Packages,
                &[
                    "ignore-checksums",
                    "ignorechecksums",
                    "allow-empty-checksums",
                ],
            );
        }
        _ => {}
    }
}

fn other(args: &Args<'_>, notes: &mut Notes) {
    notes.tool(match args.name {
        "jenkins-plugin-cli" | "install-plugins.sh" => "jenkins-plugin-cli",
        "cpan" | "cpanm" | "cpm" => "cpan",
        "cabal" => "cabal",
        "stack" => "stack",
        "luarocks" => "luarocks",
        "pear" | "pecl" => "pecl",
        "mix" | "rebar3" | "hex" => "mix",
        "opam" => "opam",
        "helm" => "helm",
        "terraform" | "tofu" | "packer" => "terraform",
        _ => "package manager",
    });
    const STAYS: [&str; 16] = [
        "list",
        "remove",
        "uninstall",
        "clean",
        "config",
        "version",
        "lint",
        "template",
        "fmt",
        "validate",
        "enable",
        "disable",
        "switch",
        "exec",
        "show",
        "analyze",
    ];
    let sub = args.sub(0);
    match args.name {
        // It compiles what is in the image already.
        "docker-php-ext-install" | "docker-php-ext-enable" => {}
        "helm" | "kubectl" | "terraform" | "tofu" | "packer" | "flutter" | "dart" | "mix"
        | "vagrant" | "stack" | "cabal"
            if STAYS.contains(&sub) => {}
        _ if STAYS.contains(&sub) => {}
        _ => notes.packages(args.sorted.rest(0)),
    }
}

fn script(args: &Args<'_>, notes: &mut Notes) {
    // `perl -e`, `php -r`, `R -e`: a text of another language.
    let has_text = args.has(&["e", "E", "eval", "r", "batch"]);
    if matches!(args.name, "vim" | "nvim" | "emacs" | "gdb") {
        notes.unclear(format!("`{}` runs something that is not read", args.name));
    } else if args.name == "java" {
        let only_asks = args.sorted.operands.is_empty()
            && args.words.iter().all(|word| word.shown().starts_with('-'));
        let dump = args
            .words
            .iter()
            .any(|word| word.known() == Some("-Xshare:dump"));
        if !only_asks && !dump || args.has(&["jar"]) {
            notes.unclear("it runs a program for Java");
        }
    } else if has_text {
        notes.unclear(format!("it runs a text for `{}`", args.name));
    } else if let Some(script) = args.sorted.operands.first() {
        if script.value.texts().iter().any(is_url) {
            let value = script.value.clone();
            notes.url(&value, None, script.span);
            notes.runs.push(String::new());
        } else {
            super::interpreter(args, notes, &script.shown());
        }
    } else {
        super::interpreter_input(args, notes);
    }
}
