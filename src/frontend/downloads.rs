//! The pinned files and repositories of a build are fetched before anything runs.
//!
//! That a server has other bytes than those of the pin is found out by BuildKit when it fetches them, and its error names
//! no line. So each is fetched first, as the very operation that the build has (it is fetched once), and a failure is told at the
//! line of its ADD.

use futures_util::stream::{self, StreamExt as _};

use super::{Failure, source};
use crate::{
    digest::Digest,
    gateway::{BuildResult, Client, SolveRequest},
    llb::{Definition, build::only, ops::Kind as OpKind},
    pipeline::AT_ONCE,
    report::{Finding, Kind, Place},
    resolve::buildkit::TRANSFER,
    rewrite::edit::Edited,
};

/// One download: what, by which operation, and at which line of the rewritten file.
struct Download {
    what: String,
    definition: Vec<u8>,
    line: Option<(u32, u32)>,
}

/// Fetches what `result` fetches by URL. Findings for what cannot be had as pinned.
pub async fn fetch(
    client: &Client,
    result: &BuildResult,
    filename: &str,
    rewritten: &Edited,
) -> Result<Vec<Finding>, Failure> {
    let mut downloads: Vec<Download> = Vec::new();
    let mut seen: Vec<Digest> = Vec::new();
    for (_, reference) in result.all_refs() {
        let Some(bytes) = &reference.definition else {
            continue;
        };
        let definition = Definition::decode(bytes)
            .map_err(|error| Failure::Status(crate::gateway::Status::new(error.to_string())))?;
        for node in &definition.nodes {
            let Some(OpKind::Source(op)) = &node.op().kind else {
                continue;
            };
            let by_url = ["http://", "https://", "git://"]
                .iter()
                .any(|scheme| op.identifier.starts_with(scheme));
            // What the client uploads is served once, and has no pin to fail.
            let pinned =
                op.attrs.contains_key("http.checksum") || op.identifier.starts_with("git://");
            if !by_url || !pinned || seen.contains(node.id()) {
                continue;
            }
            seen.push(node.id().clone());
            let Some(only) = only(&definition, node.id()) else {
                continue;
            };
            downloads.push(Download {
                what: op
                    .attrs
                    .get("git.fullurl")
                    .unwrap_or(&op.identifier)
                    .clone(),
                definition: only.encode(),
                line: user_of(&definition, node.id(), filename),
            });
        }
    }
    let fetched = downloads.iter().map(|download| async {
        let solved = client
            .solve(
                SolveRequest::definition(download.definition.clone()),
                TRANSFER,
            )
            .await?;
        let reference = source::single(solved.refs)?;
        client.evaluate(&reference, TRANSFER).await?;
        Ok::<(), Failure>(())
    });
    let outcomes: Vec<Result<(), Failure>> =
        stream::iter(fetched).buffered(AT_ONCE).collect().await;
    let mut findings = Vec::new();
    for (download, outcome) in downloads.iter().zip(outcomes) {
        let Err(failure) = outcome else { continue };
        let cause = match failure {
            Failure::Gateway(error) => error.to_string(),
            other => return Err(other),
        };
        findings.push(Finding {
            kind: Kind::Unverified,
            file: filename.to_owned(),
            place: download.line.map(|(start, end)| {
                let (start, end) = (rewritten.original_line(start), rewritten.original_line(end));
                Place::lines(start, end.max(start))
            }),
            subject: format!("ADD {}", download.what),
            cause: format!("it cannot be had as pinned: {cause}"),
            next: "if what changed is right, review it and renew the pin; otherwise do not use it"
                .to_owned(),
        });
    }
    Ok(findings)
}

/// The lines of the operation that uses `source`, which has none of its own: the ADD.
pub(super) fn user_of(
    definition: &Definition,
    source: &Digest,
    filename: &str,
) -> Option<(u32, u32)> {
    let map = definition.source.as_ref()?;
    let id = source.to_string();
    let lines = |id: &str| {
        let location = map.locations.get(id)?.locations.iter().find(|location| {
            let info = usize::try_from(location.source_index)
                .ok()
                .and_then(|index| map.infos.get(index));
            info.is_some_and(|info| info.filename == filename)
        })?;
        let range = location.ranges.first()?;
        let start = u32::try_from(range.start.as_ref()?.line).ok()?;
        let end = range
            .end
            .as_ref()
            .and_then(|end| u32::try_from(end.line).ok())
            .unwrap_or(start);
        Some((start, end))
    };
    lines(&id).or_else(|| {
        let users = definition
            .nodes
            .iter()
            .filter(|node| node.op().inputs.iter().any(|input| input.digest == id));
        users
            .filter_map(|node| lines(&node.id().to_string()))
            .next()
    })
}
