//! Instructions with their meaning (BuildKit's `instructions/parse.go`): which flags and words each takes, and the
//! stages they belong to. Words are not expanded here.

pub(crate) mod csv;
mod flags;
mod health;
mod read;

use std::{borrow::Cow, collections::HashMap};

use memchr::memchr;

pub use flags::Given;

use super::{Instruction, Keyword, heredoc};

/// The instructions of a file, in stages.
#[derive(Debug)]
pub struct Stages<'d> {
    /// The ARG instructions in front of the first FROM.
    pub args: Vec<Command<'d>>,
    /// The stages in order. Empty when the file has no FROM.
    pub stages: Vec<Stage<'d>>,
}

/// What an instruction of the file's own is.
#[derive(Debug)]
pub enum Statement<'d> {
    /// The beginning of a stage. Its instructions are the statements behind it, and not in it yet.
    From(Stage<'d>),
    /// Any other.
    Command(Command<'d>),
}

/// A FROM and the instructions behind it.
#[derive(Debug)]
pub struct Stage<'d> {
    /// Index of the FROM in the file.
    pub index: usize,
    /// The FROM.
    pub instruction: Instruction<'d>,
    /// What follows FROM, not expanded.
    pub base: &'d [u8],
    /// The name behind AS in lower case, empty without one.
    pub name: Cow<'d, str>,
    /// `--platform`, not expanded.
    pub platform: Option<Given<'d>>,
    /// The instructions up to the next FROM.
    pub commands: Vec<Command<'d>>,
}

/// An instruction other than FROM.
#[derive(Debug)]
pub struct Command<'d> {
    /// Its index in the file.
    pub index: usize,
    /// The instruction as written.
    pub instruction: Instruction<'d>,
    /// What it says.
    pub kind: CommandKind<'d>,
}

/// What an instruction says.
#[derive(Debug)]
pub enum CommandKind<'d> {
    /// ADD.
    Add(Box<Add<'d>>),
    /// ARG: names with defaults.
    Arg(Declarations<'d>),
    /// CMD.
    Cmd(CommandLine<'d>),
    /// COPY.
    Copy(Copy<'d>),
    /// ENTRYPOINT.
    Entrypoint(CommandLine<'d>),
    /// ENV: names and values.
    Env(Pairs<'d>),
    /// EXPOSE: ports.
    Expose(Words<'d>),
    /// HEALTHCHECK.
    Healthcheck(Healthcheck<'d>),
    /// LABEL: names and values.
    Label(Pairs<'d>),
    /// MAINTAINER.
    Maintainer(&'d [u8]),
    /// ONBUILD: the instruction for stages built upon this one, as text that is parsed anew there.
    Onbuild(Vec<u8>),
    /// RUN.
    Run(Run<'d>),
    /// SHELL.
    Shell(Words<'d>),
    /// STOPSIGNAL.
    Stopsignal(&'d [u8]),
    /// USER.
    User(&'d [u8]),
    /// VOLUME: directories, white space around them included.
    Volume(Words<'d>),
    /// WORKDIR.
    Workdir(&'d [u8]),
}

/// Words of an instruction, read where they stand.
#[derive(Clone, Copy, Debug)]
pub struct Words<'d> {
    instruction: Instruction<'d>,
}

impl<'d> Words<'d> {
    /// The text of each.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'d [u8]> + DoubleEndedIterator {
        // The first of HEALTHCHECK says what kind it is.
        let skip = usize::from(self.instruction.kind() == Keyword::Healthcheck);
        self.instruction.word_texts().skip(skip)
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Names and values.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'d>(Words<'d>);

impl<'d> Pairs<'d> {
    /// Each name with its value.
    pub fn iter(self) -> impl Iterator<Item = (&'d [u8], &'d [u8])> {
        let mut words = self.0.iter();
        std::iter::from_fn(move || words.next().zip(words.next()))
    }
}

/// Names that may have a default.
#[derive(Clone, Copy, Debug)]
pub struct Declarations<'d>(Words<'d>);

impl<'d> Declarations<'d> {
    /// Each name with its default.
    pub fn iter(self) -> impl Iterator<Item = (&'d [u8], Option<&'d [u8]>)> {
        self.0.iter().map(|word| match memchr(b'=', word) {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        })
    }
}

/// Sources and destination of ADD and COPY.
#[derive(Debug)]
pub struct Sources<'d> {
    /// The sources with the destination.
    words: Words<'d>,
    /// Whether one of them is given as a heredoc.
    inline: bool,
}

impl<'d> Sources<'d> {
    /// The destination.
    #[must_use]
    pub fn destination(&self) -> &'d [u8] {
        self.words.iter().next_back().unwrap_or_default()
    }

    /// Paths and URLs: the text, and which word of the instruction it is.
    pub fn paths(&self) -> impl Iterator<Item = (&'d [u8], usize)> + use<'d> {
        let inline = self.inline;
        let sources = self.before_destination().enumerate();
        sources
            .filter(move |(_, word)| !inline || announced(word).is_none())
            .map(|(index, word)| (word, index))
    }

    /// Files given inline.
    pub fn contents(&self) -> impl Iterator<Item = Content<'d>> + use<'d> {
        let instruction = self.words.instruction;
        let words = self
            .before_destination()
            .take(if self.inline { usize::MAX } else { 0 });
        let mut bodies: Option<HashMap<&str, &[u8]>> = None;
        words.filter_map(announced).map(move |found| {
            // Of several with one name the last counts.
            let bodies = bodies.get_or_insert_with(|| {
                let heredocs = instruction.heredocs();
                heredocs
                    .map(|heredoc| (heredoc.name, heredoc.content))
                    .collect()
            });
            let data = bodies.get(&*found.name).copied().unwrap_or_default();
            Content {
                name: found.name,
                data: if found.chomp {
                    Cow::Owned(heredoc::chomp(data))
                } else {
                    Cow::Borrowed(data)
                },
                expand: found.expand,
            }
        })
    }

    fn before_destination(&self) -> impl Iterator<Item = &'d [u8]> + use<'d> {
        let sources = self.words.len().saturating_sub(1);
        self.words.iter().take(sources)
    }
}

/// The heredoc that a word of ADD or COPY announces.
fn announced(word: &[u8]) -> Option<heredoc::Announced<'_>> {
    // What most words show by their first byte.
    match word.first() {
        Some(b'<' | b'0'..=b'9') => heredoc::parse(word).ok().flatten(),
        _ => None,
    }
}

/// A file given as a heredoc.
#[derive(Debug)]
pub struct Content<'d> {
    /// Its name: the heredoc's.
    pub name: Cow<'d, str>,
    /// Its text.
    pub data: Cow<'d, [u8]>,
    /// Whether variables in it expand.
    pub expand: bool,
}

/// ADD.
#[derive(Debug)]
pub struct Add<'d> {
    /// What goes where.
    pub sources: Sources<'d>,
    /// `--chown`
    pub chown: Option<Given<'d>>,
    /// `--chmod`
    pub chmod: Option<Given<'d>>,
    /// `--checksum`
    pub checksum: Option<Given<'d>>,
    /// `--keep-git-dir`
    pub keep_git_dir: Option<bool>,
    /// `--unpack`
    pub unpack: Option<bool>,
    /// `--link`
    pub link: bool,
    /// `--exclude`
    pub exclude: Vec<Given<'d>>,
}

/// COPY.
#[derive(Debug)]
pub struct Copy<'d> {
    /// What goes where.
    pub sources: Sources<'d>,
    /// In a box and only where there are any, so that instructions stay small.
    flags: Option<Box<CopyFlags<'d>>>,
}

impl<'d> Copy<'d> {
    /// The flags.
    #[must_use]
    pub fn flags(&self) -> &CopyFlags<'d> {
        static NONE: CopyFlags<'static> = CopyFlags {
            from: None,
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            exclude: Vec::new(),
        };
        self.flags.as_deref().unwrap_or(&NONE)
    }
}

/// The flags of COPY.
#[derive(Debug, Default)]
pub struct CopyFlags<'d> {
    /// `--from`, when it isn't empty.
    pub from: Option<Given<'d>>,
    /// `--chown`
    pub chown: Option<Given<'d>>,
    /// `--chmod`
    pub chmod: Option<Given<'d>>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`
    pub exclude: Vec<Given<'d>>,
}

/// A command in exec or shell form.
#[derive(Debug, Clone, Copy)]
pub struct CommandLine<'d> {
    /// JSON: the arguments. Else nothing or the one line for the shell.
    pub words: Words<'d>,
    /// Whether the shell runs it.
    pub shell: bool,
}

/// RUN.
#[derive(Debug)]
pub struct Run<'d> {
    /// The command.
    pub command: CommandLine<'d>,
    /// In a box and only where there are any, so that instructions stay small.
    flags: Option<Box<RunFlags<'d>>>,
}

impl<'d> Run<'d> {
    /// The flags.
    #[must_use]
    pub fn flags(&self) -> &RunFlags<'d> {
        static NONE: RunFlags<'static> = RunFlags {
            mounts: Vec::new(),
            network: None,
            security: None,
            devices: Vec::new(),
        };
        self.flags.as_deref().unwrap_or(&NONE)
    }
}

/// The flags of RUN.
#[derive(Debug, Default)]
pub struct RunFlags<'d> {
    /// `--mount`, in order.
    pub mounts: Vec<Mount<'d>>,
    /// `--network`
    pub network: Option<Given<'d>>,
    /// `--security`
    pub security: Option<Given<'d>>,
    /// Names of `--device`.
    pub devices: Vec<String>,
}

/// A `--mount`, not expanded.
#[derive(Debug)]
pub struct Mount<'d> {
    /// The flag.
    pub flag: Given<'d>,
    /// Its `from`, if it has one that isn't empty, and where in the flag's value that ends.
    pub from: Option<(String, usize)>,
}

/// HEALTHCHECK.
#[derive(Debug)]
pub enum Healthcheck<'d> {
    /// None, also not that of the base.
    None,
    /// A command.
    Cmd(CommandLine<'d>),
}

/// `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
