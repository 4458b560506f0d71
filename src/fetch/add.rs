//! ADD and COPY: which sources are files of the context, repositories, or files of the web (BuildKit's
//! `dockerfile2llb/convert_copy.go`).

use super::{
    AddEdit, Edit, Error, ErrorKind, Fetch, Origin, Source, checks,
    collect::Builder,
    git::{self, GitRef, Parsed},
    path,
    state::{Kind, StateId, Task, Vertex},
    url,
};
use crate::{
    digest::Digest,
    dockerfile::{
        Span,
        command::{Add, Copy, Given, Sources},
    },
};

/// What a source of ADD is.
pub(super) enum Classified {
    /// In the build context (or the stage of `--from`).
    Path,
    /// `http://` or `https://`.
    Http,
    /// A repository.
    Git(Box<GitRef>),
}

/// BuildKit's rule, after expansion.
pub(super) fn classify(source: &str) -> Result<Classified, ErrorKind> {
    match git::parse(source) {
        Parsed::Refused(reason) => Err(ErrorKind::Git(reason)),
        Parsed::Git(git) if !git.is_path => Ok(Classified::Git(Box::new(git))),
        Parsed::Git(_) => Ok(Classified::Path),
        Parsed::Other if is_http(source) => Ok(Classified::Http),
        Parsed::Other => Ok(Classified::Path),
    }
}

/// Whether it is a file of the web, unless it is a repository.
pub(super) fn is_http(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Sources and destination, expanded.
struct Expanded {
    sources: Vec<String>,
    checksum: String,
}

impl Builder<'_> {
    fn expand_copy(
        &self,
        id: StateId,
        sources: &Sources<'_>,
        flags: [Option<&Given<'_>>; 3],
    ) -> Result<Expanded, ErrorKind> {
        let flag = |given: Option<&Given<'_>>| match given {
            Some(given) => self.expand_in(id, given.value.as_bytes()),
            None => Ok(String::new()),
        };
        let [chown, chmod, checksum] = flags;
        flag(chown)?;
        let chmod = flag(chmod)?;
        let checksum = flag(checksum)?;
        let mut expanded = Vec::new();
        for (path, _) in sources.paths() {
            expanded.push(self.expand_in(id, path)?);
        }
        let destination = self.expand_in(id, sources.destination())?;
        for content in sources.contents().filter(|content| content.expand) {
            self.expand_data(id, &content.data)?;
        }
        // pathRelativeToWorkingDir, of which only the refusals matter.
        let os = self.os(id);
        let dir = self.states.get(id).map_or("/", |state| &state.dir);
        path::without_drive(&destination, os, true)?;
        path::normalize(dir, &destination, os, true)?;
        if !chmod.is_empty() && !checks::is_mode(&chmod) {
            return Err(ErrorKind::Mode(chmod));
        }
        Ok(Expanded {
            sources: expanded,
            checksum,
        })
    }

    pub(super) fn os(&self, id: StateId) -> &str {
        self.states
            .get(id)
            .and_then(|state| state.platform.as_ref())
            .map_or("", |platform| &platform.os)
    }

    /// The vertex of the build context.
    pub(super) fn build_context(&mut self) -> Vertex {
        if let Some(vertex) = self.context {
            return vertex;
        }
        let vertex = self.graph.add(Kind::Context, []);
        self.context = Some(vertex);
        vertex
    }

    fn check_path(&self, id: StateId, source: &str, parents: bool) -> Result<(), ErrorKind> {
        let os = self.os(id);
        let (from, pattern) = match source.split_once("/./") {
            Some((parent, pattern)) if parents => (parent, pattern),
            None if parents => ("/", source),
            _ => (source, ""),
        };
        path::normalize("/", pattern, os, false)?;
        path::normalize("/", from, os, false)?;
        Ok(())
    }

    fn put(&mut self, id: StateId, inputs: Vec<Option<Vertex>>) {
        let base = self.states.get(id).and_then(|state| state.vertex);
        let vertex = self
            .graph
            .add(Kind::Files, inputs.into_iter().chain([base]));
        if let Some(state) = self.states.get_mut(id) {
            state.vertex = Some(vertex);
        }
    }

    pub(super) fn copy(
        &mut self,
        id: StateId,
        task: &Task<'_>,
        copy: &Copy<'_>,
    ) -> Result<(), Error> {
        let inputs = self.copy_inputs(id, task, copy);
        let inputs =
            inputs.map_err(|kind| self.error(&task.site, task.instruction.span(), kind))?;
        self.put(id, inputs);
        Ok(())
    }

    fn copy_inputs(
        &mut self,
        id: StateId,
        task: &Task<'_>,
        copy: &Copy<'_>,
    ) -> Result<Vec<Option<Vertex>>, ErrorKind> {
        let expanded = self.expand_copy(
            id,
            &copy.sources,
            [
                copy.flags().chown.as_ref(),
                copy.flags().chmod.as_ref(),
                None,
            ],
        )?;
        let from = match task
            .sources
            .first()
            .and_then(|source| self.states.get(*source))
        {
            Some(source) if !source.dispatched => {
                return Err(ErrorKind::LaterStage(source.display.clone()));
            }
            Some(source) => Some(source.vertex),
            None => None,
        };
        let mut inputs = Vec::with_capacity(expanded.sources.len());
        for source in &expanded.sources {
            match classify(source)? {
                Classified::Git(_) => return Err(ErrorKind::CopyRemote("git repository")),
                Classified::Http => return Err(ErrorKind::CopyRemote("URL")),
                Classified::Path => {
                    self.check_path(id, source, copy.flags().parents)?;
                    inputs.push(match from {
                        Some(vertex) => vertex,
                        None => Some(self.build_context()),
                    });
                }
            }
        }
        self.check_contents(id, &copy.sources)?;
        Ok(inputs)
    }

    fn check_contents(&self, id: StateId, sources: &Sources<'_>) -> Result<(), ErrorKind> {
        for content in sources.contents() {
            path::without_drive(&content.name, self.os(id), false)?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, id: StateId, task: &Task<'_>, add: &Add<'_>) -> Result<(), Error> {
        let inputs = self.add_inputs(id, task, add);
        let inputs =
            inputs.map_err(|kind| self.error(&task.site, task.instruction.span(), kind))?;
        self.put(id, inputs);
        Ok(())
    }

    fn add_inputs(
        &mut self,
        id: StateId,
        task: &Task<'_>,
        add: &Add<'_>,
    ) -> Result<Vec<Option<Vertex>>, ErrorKind> {
        let flags = [
            add.chown.as_ref(),
            add.chmod.as_ref(),
            add.checksum.as_ref(),
        ];
        let Expanded {
            sources,
            mut checksum,
            ..
        } = self.expand_copy(id, &add.sources, flags)?;
        if !checksum.is_empty() {
            let [source] = sources.as_slice() else {
                return Err(ErrorKind::ChecksumSources);
            };
            // BuildKit counts github.com/… here, although it then takes it for a path.
            if !matches!(git::parse(source), Parsed::Git(_)) && !is_http(source) {
                return Err(ErrorKind::ChecksumLocal);
            }
        }
        let mut keep_git_dir = add.keep_git_dir;
        let mut inputs = Vec::with_capacity(sources.len());
        for (source, (_, word)) in sources.iter().zip(add.sources.paths()) {
            let found = match classify(source)? {
                Classified::Path => {
                    self.check_path(id, source, false)?;
                    inputs.push(Some(self.build_context()));
                    continue;
                }
                // What a repository's URL sets stays set for the sources behind it.
                Classified::Git(git) => git_source(&git, &mut checksum, &mut keep_git_dir)?,
                Classified::Http => {
                    check_file_name(source)?;
                    http_source(
                        source,
                        Some(checksum.as_str()).filter(|sum| !sum.is_empty()),
                    )?
                }
            };
            let edit = self.add_edit(task, add, word).map(Edit::Add);
            let span = task
                .instruction
                .word(word)
                .map_or(task.instruction.span(), |word| word.span);
            let stage = self
                .states
                .get(id)
                .map(|state| state.display.clone())
                .unwrap_or_default();
            self.keep(source)?;
            let fetch = self.add_fetch(Fetch {
                origin: Origin::Add,
                place: task.site.place(span),
                stage,
                expanded: source.clone(),
                source: found,
                edit,
                loaded: false,
            });
            inputs.push(Some(self.graph.add(Kind::Fetch(fetch), [])));
        }
        self.check_contents(id, &add.sources)?;
        Ok(inputs)
    }

    /// What a pin of the source that is that word needs to know of the text.
    pub(super) fn add_edit(&self, task: &Task<'_>, add: &Add<'_>, word: usize) -> Option<AddEdit> {
        // Each source keeps the places of all: without a bound, time and memory would grow with the square of their number.
        let words = task.instruction.words();
        if words.len() > MAX_SOURCES + 1 {
            return None;
        }
        let words: Vec<Span> = words.map(|word| word.span).collect();
        let (destination, sources) = words.split_last()?;
        Some(AddEdit {
            flags_at: task.site.span(task.instruction.keyword_span())?.end,
            sources: sources
                .iter()
                .map(|span| task.site.span(*span))
                .collect::<Option<_>>()?,
            index: word,
            destination: task.site.span(*destination)?,
            json: task.instruction.is_json(),
            single: sources.len() == 1,
            checksum: add
                .checksum
                .as_ref()
                .and_then(|flag| task.site.span(flag.span)),
        })
    }
}

/// The most sources of one ADD that can be pinned. With more, its URLs stay without a pin, and the build is refused.
const MAX_SOURCES: usize = 256;

fn git_source(
    git: &GitRef,
    checksum: &mut String,
    keep_git_dir: &mut Option<bool>,
) -> Result<Source, ErrorKind> {
    if let (Some(flag), Some(query)) = (*keep_git_dir, git.keep_git_dir)
        && flag != query
    {
        return Err(ErrorKind::KeepGitDir);
    }
    *keep_git_dir = git.keep_git_dir.or(*keep_git_dir);
    if !git.checksum.is_empty() {
        if !checksum.is_empty() && *checksum != git.checksum {
            return Err(ErrorKind::ChecksumMismatch(
                checksum.clone(),
                git.checksum.clone(),
            ));
        }
        checksum.clone_from(&git.checksum);
    }
    git.source(checksum, *keep_git_dir == Some(true))
        .map(Source::Git)
        .map_err(ErrorKind::Git)
}

pub(super) fn http_source(url: &str, checksum: Option<&str>) -> Result<Source, ErrorKind> {
    if let Some(text) = checksum
        && let Err(error) = text.parse::<Digest>()
    {
        return Err(ErrorKind::Checksum(text.to_owned(), error));
    }
    Ok(Source::Http {
        url: url.to_owned(),
        checksum: checksum.map(str::to_owned),
    })
}

/// The file is named by the last element of the path, and protobuf carries only text.
fn check_file_name(url: &str) -> Result<(), ErrorKind> {
    let path = url::parse(url)
        .map(|parsed| parsed.path)
        .unwrap_or_default();
    let mut elements = path.rsplit(|byte| *byte == b'/');
    match elements.find(|element| !element.is_empty()) {
        Some(name) if std::str::from_utf8(name).is_err() => Err(ErrorKind::FileName),
        _ => Ok(()),
    }
}
