//! Source maps: which line of which file an operation comes from. They are no part of its id.

use std::collections::BTreeSet;

use crate::llb::{
    audit::SourceFile,
    definition::Definition,
    ops::{Location, Position, Range, Source, SourceInfo},
    wire::Bytes,
};

/// Shows the user's own file instead of the rewritten one: every source info that is exactly `rewritten` becomes
/// `original`, and `line` maps its lines (from 1) to the original's. Operations, and so their ids, are not touched.
///
/// `loader` is the graph that loads the original. The one that loaded the rewritten file goes: it would send the file
/// twice in each error.
/// Returns how many source infos were replaced; none if the graph was not made from `rewritten`.
pub fn replace_source_file(
    definition: &mut Definition,
    rewritten: &SourceFile,
    original: &SourceFile,
    loader: Option<&[u8]>,
    line: &dyn Fn(u32) -> u32,
) -> usize {
    let Some(source) = &mut definition.source else {
        return 0;
    };
    let mut replaced = BTreeSet::new();
    for (index, info) in (0_i32..).zip(&mut source.infos) {
        if info.filename == rewritten.filename && info.data.0 == rewritten.data {
            let language = std::mem::take(&mut info.language);
            let (filename, data) = (original.filename.clone(), Bytes(original.data.clone()));
            *info = SourceInfo {
                filename,
                data,
                definition: loader.map(|bytes| Bytes(bytes.to_vec())),
                language,
            };
            replaced.insert(index);
        }
    }
    let locations = source
        .locations
        .values_mut()
        .flat_map(|locations| &mut locations.locations);
    for location in locations.filter(|location| replaced.contains(&location.source_index)) {
        for range in &mut location.ranges {
            map(range, line);
        }
    }
    replaced.len()
}

fn map(range: &mut Range, line: &dyn Fn(u32) -> u32) {
    let mapped = |position: &Option<Position>| {
        let position = position.as_ref()?;
        let from = u32::try_from(position.line).ok()?;
        let line = i32::try_from(line(from)).ok()?;
        // The character is one of the rewritten line.
        Some(Position { line, character: 0 })
    };
    // BuildKit's error printer reads the end of every range, so that it is always there.
    let start = mapped(&range.start);
    let end = mapped(&range.end).or_else(|| start.clone());
    *range = Range { start, end };
}

/// Appends the source map of another graph; files that are there already are not repeated.
pub(super) fn append(to: &mut Source, from: Option<&Source>, ids: &BTreeSet<String>) {
    let Some(from) = from else { return };
    let indices: Vec<Option<i32>> = from
        .infos
        .iter()
        .map(|info| {
            let same = |other: &SourceInfo| {
                other.filename == info.filename
                    && other.data == info.data
                    && other.language == info.language
            };
            let index = to.infos.iter().position(same).unwrap_or_else(|| {
                to.infos.push(info.clone());
                to.infos.len().saturating_sub(1)
            });
            i32::try_from(index).ok()
        })
        .collect();
    for (id, locations) in from.locations.iter().filter(|(id, _)| ids.contains(*id)) {
        let there = to.locations.entry(id.clone()).or_default();
        for location in &locations.locations {
            let index = usize::try_from(location.source_index).ok();
            let index = index.and_then(|index| indices.get(index).copied().flatten());
            let Some(source_index) = index else { continue };
            let location = Location {
                source_index,
                ranges: location.ranges.clone(),
            };
            if !there.locations.contains(&location) {
                there.locations.push(location);
            }
        }
    }
}
