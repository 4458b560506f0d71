//! Build graphs as text that can be compared line by line.

use std::collections::BTreeMap;

use engine::Result;
use verified_dockerfile::llb::{
    Definition,
    ops::{Action, ExecOp, Kind, Location, NetMode, Op, OpMetadata, Position, SourceOp},
};

/// Whose graph it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The stock frontend's. Where `cut_off`, steps with the default network are written as steps without one.
    Stock {
        /// Whether steps are to have no network.
        cut_off: bool,
    },
    /// Ours: everything fetched must be pinned.
    Ours {
        /// Whether steps are to have no network.
        cut_off: bool,
    },
}

/// Writes a graph so that two of them are the same text if they do the same but for pins and, where `cut_off`, the
/// network of steps. Operations are numbered in the order in which the result needs them.
pub fn render(definition: &[u8], origin: Origin) -> Result<String> {
    if definition.is_empty() {
        return Ok("nothing\n".to_owned());
    }
    let definition = Definition::decode(definition)?;
    let mut text = Text {
        origin,
        definition: &definition,
        numbers: BTreeMap::new(),
        groups: BTreeMap::new(),
        text: String::new(),
    };
    let terminal = definition.nodes.last().ok_or("no operations")?;
    if terminal.op().kind.is_some() {
        return Err("the last operation is no terminal".into());
    }
    for input in &terminal.op().inputs {
        let number = text.visit(&input.digest)?;
        text.line(&format!("result: #{number} output {}", input.index));
    }
    text.metadata(&terminal.id().to_string());
    if text.numbers.len() + 1 != definition.nodes.len() {
        return Err("some operations are not needed for the result".into());
    }
    for info in definition.source.iter().flat_map(|source| &source.infos) {
        text.line(&format!(
            "file {:?} in {:?}: {:?}",
            info.filename,
            info.language,
            String::from_utf8_lossy(&info.data.0)
        ));
    }
    Ok(text.text)
}

/// Takes out of a text for the user what pins put into it.
pub fn clean(text: &str, origin: Origin) -> String {
    let mut text = text.to_owned();
    text = without(&text, "@sha256:", is_hex);
    text = without(&text, "--checksum=", |byte| !byte.is_ascii_whitespace());
    while text.contains("  ") {
        text = text.replace("  ", " ");
    }
    // A digest makes the tag needless that is meant where there is none.
    text = text.replace(":latest", "");
    // The commit stands where a branch, or nothing, was.
    for start in ["#", "?"] {
        let start = format!(".git{start}");
        let mut parts = text.split(&start);
        let mut cleaned = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| c.is_whitespace() || c == '"');
            cleaned.push_str(".git");
            cleaned.push_str(&part[end.unwrap_or(part.len())..]);
        }
        text = cleaned;
    }
    if let Origin::Stock { cut_off: true } | Origin::Ours { cut_off: true } = origin {
        text = text.replace(" --network=none", "");
        text = text.replace(" --network=default", "");
    }
    text
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// `text` without each `start` and the bytes after it that are `part` of it.
fn without(text: &str, start: &str, part: impl Fn(u8) -> bool) -> String {
    let mut pieces = text.split(start);
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.bytes().position(|byte| !part(byte));
        rest.push_str(&piece[end.unwrap_or(piece.len())..]);
    }
    rest
}

struct Text<'a> {
    origin: Origin,
    definition: &'a Definition,
    numbers: BTreeMap<String, usize>,
    groups: BTreeMap<String, usize>,
    text: String,
}

impl Text<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Writes the operation `id` and what it needs, unless that was done, and gives its number.
    fn visit(&mut self, id: &str) -> Result<usize> {
        if let Some(number) = self.numbers.get(id) {
            return Ok(*number);
        }
        let node = self
            .definition
            .nodes
            .iter()
            .find(|node| node.id().to_string() == id)
            .ok_or_else(|| format!("there is no operation {id}"))?;
        let mut op = node.op().clone();
        for input in &mut op.inputs {
            input.digest = format!("#{}", self.visit(&input.digest)?);
        }
        let number = self.numbers.len();
        self.numbers.insert(id.to_owned(), number);
        self.line(&format!("#{number}"));
        self.operation(op)?;
        self.metadata(id);
        Ok(number)
    }

    fn operation(&mut self, mut op: Op) -> Result<()> {
        let mut contents = Vec::new();
        match &mut op.kind {
            Some(Kind::Source(source)) => self.source(source)?,
            Some(Kind::Exec(exec)) => self.exec(exec)?,
            Some(Kind::File(file)) => {
                for action in &mut file.actions {
                    if let Some(Action::MkFile(new)) = &mut action.action {
                        // A list of numbers is hard to read.
                        let data = std::mem::take(&mut new.data.0);
                        contents.push(String::from_utf8_lossy(&data).into_owned());
                    }
                }
            }
            _ => {}
        }
        self.line(&format!("{op:#?}"));
        for content in contents {
            self.line(&format!("content {content:?}"));
        }
        Ok(())
    }

    fn exec(&self, exec: &mut ExecOp) -> Result<()> {
        match self.origin {
            Origin::Stock { cut_off: true } if exec.network == NetMode::Unset => {
                exec.network = NetMode::None;
            }
            Origin::Ours { cut_off: true } if exec.network == NetMode::Unset => {
                return Err(format!("a step has a network: {:?}", exec.meta).into());
            }
            _ => {}
        }
        Ok(())
    }

    fn source(&self, source: &mut SourceOp) -> Result<()> {
        let (scheme, rest) = source
            .identifier
            .split_once("://")
            .ok_or("a source without a scheme")?;
        let is_pinned = match scheme {
            "docker-image" => rest.contains("@sha256:"),
            "http" | "https" => source.attrs.contains_key("http.checksum"),
            "git" => {
                let (_, fragment) = rest.split_once('#').unwrap_or_default();
                let commit = fragment.split(':').next().unwrap_or_default();
                let checksum = source.attrs.get("git.checksum").map_or(commit, |sum| sum);
                checksum.len() == 40 && checksum.bytes().all(is_hex)
            }
            "local" => true,
            _ => return Err(format!("an unexpected source: {source:?}").into()),
        };
        if matches!(self.origin, Origin::Ours { .. }) && !is_pinned {
            return Err(format!("it is not pinned: {source:?}").into());
        }
        source.attrs.remove("http.checksum");
        source.attrs.remove("git.checksum");
        for value in source.attrs.values_mut() {
            *value = clean(value, self.origin);
        }
        source.identifier = match scheme {
            "git" => {
                let (remote, fragment) = rest.split_once('#').unwrap_or((rest, ""));
                let subdir = fragment.split_once(':').map_or("", |(_, subdir)| subdir);
                format!("git://{remote}#:{subdir}")
            }
            _ => without(&source.identifier, "@sha256:", is_hex).replace(":latest", ""),
        };
        Ok(())
    }

    fn metadata(&mut self, id: &str) {
        let mut metadata: OpMetadata = self
            .definition
            .metadata
            .get(id)
            .cloned()
            .unwrap_or_default();
        // What the daemon must be able to do, for pins and for cutting a step off.
        for cap in [
            "source.http.checksum",
            "source.git.checksum",
            "exec.meta.network",
        ] {
            metadata.caps.remove(cap);
        }
        let locations = self
            .definition
            .source
            .as_ref()
            .and_then(|source| source.locations.get(id));
        let mut places: Vec<String> = locations
            .iter()
            .flat_map(|found| &found.locations)
            .map(|place| format!("lines {:?} of file {}", lines(place), place.source_index))
            .collect();
        // Of several instructions that share an operation, such as two FROM of one image, any may give it its name: the
        // stock frontend converts stages side by side.
        places.sort();
        if places.len() > 1 {
            metadata.description.clear();
        }
        for value in metadata.description.values_mut() {
            *value = clean(value, self.origin);
        }
        if let Some(group) = &mut metadata.progress_group {
            // A random name.
            let count = self.groups.len();
            let number = self.groups.entry(group.id.clone()).or_insert(count);
            group.id = format!("group {number}");
            group.name = clean(&group.name, self.origin);
        }
        self.line(&format!("{metadata:#?}"));
        for place in places {
            self.line(&place);
        }
    }
}

/// First and last line of each range.
fn lines(place: &Location) -> Vec<(Option<i32>, Option<i32>)> {
    let line = |position: &Option<Position>| position.as_ref().map(|position| position.line);
    let ranges = place.ranges.iter();
    ranges
        .map(|range| (line(&range.start), line(&range.end)))
        .collect()
}
