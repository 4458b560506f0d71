//! What stock BuildKit needs to serve recorded steps by itself: an image with what they are given, and a Dockerfile that mounts it.

use std::collections::BTreeMap;

use super::{
    Failure, downloads,
    replay::{Steps, broken, references, steps},
};
use crate::{
    gateway::{BuildResult, Ref, Refs},
    llb::{
        audit::Expected,
        build::{Graph, NewFile},
        definition::Definition,
    },
    pipeline::{self, PlatformOutcome},
    reference::ImageReference,
    replay::{
        launch::PLACE,
        store::{REPLAY, STEPS},
    },
    report::{Finding, Kind, Place},
    rewrite::launch::{Served, with_launchers},
};

/// Metadata of a result that says which of its references is of which platform.
const PLATFORMS: &str = "refs.platforms";
const NEXT: &str = "record them first: verified-dockerfile record";

impl Steps<'_> {
    /// Instead of the image one with a folder for each recorded step of `result`: launcher, recording and bodies, each of them judged
    /// and compared with the lock. Stock BuildKit mounts them; and it is a store.
    pub async fn store_image(
        &self,
        mut result: BuildResult,
        expected: &mut Expected,
        built: &PlatformOutcome,
    ) -> Result<Result<BuildResult, Vec<Finding>>, Failure> {
        let mut findings = Vec::new();
        let store = self.store(expected)?;
        for reference in references(&mut result) {
            let Some(bytes) = &mut reference.definition else {
                continue;
            };
            let definition = Definition::decode(bytes).map_err(broken)?;
            let mut graph = Graph::default();
            let mut folders = Vec::new();
            for step in steps(&definition) {
                let Some(recording) = self.recording(&step.key) else {
                    continue;
                };
                let place = self.place(&definition, &step.id, built);
                let launcher = self
                    .replayed(
                        &step,
                        recording,
                        &store,
                        expected,
                        &mut graph,
                        place,
                        &mut findings,
                    )
                    .await?;
                let to = format!("{STEPS}/{}", step.key.hex());
                // The folder itself; what else is mounted is part of it.
                let folder = launcher.attached.into_iter().next();
                folders.extend(folder.map(|attached| (attached.from, to)));
            }
            if folders.is_empty() && findings.is_empty() {
                findings.push(self.nothing());
            }
            if findings.is_empty() {
                let all = graph
                    .folders(&folders, "[verified] what recorded steps are served from")
                    .map_err(broken)?;
                *bytes = graph.finish(&all).encode();
            }
        }
        // The configuration is that of the image that this is not.
        result.metadata.retain(|key, _| key == PLATFORMS);
        result.attestations.clear();
        Ok(if findings.is_empty() {
            Ok(result)
        } else {
            Err(findings)
        })
    }

    /// Instead of the image a folder with the Dockerfile that stock BuildKit builds by itself: each recorded step of `result` mounts what
    /// it is served from `store`, which is an image as [`Self::store_image`] gives it.
    pub async fn text(
        &self,
        store: &ImageReference,
        mut result: BuildResult,
        built: &PlatformOutcome,
    ) -> Result<Result<BuildResult, Vec<Finding>>, Failure> {
        let mut findings = Vec::new();
        let judged =
            pipeline::image(self.build, self.resolver, store, self.build.build_platform).await;
        if let Some((kind, cause, next)) = judged.refusal() {
            findings.push(Finding {
                subject: format!("the store {store}"),
                ..self.finding(None, kind, cause, next)
            });
        }
        let mut expected = Expected::default();
        let from = self.store(&mut expected)?;
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for reference in references(&mut result) {
            let Some(bytes) = &reference.definition else {
                continue;
            };
            let definition = Definition::decode(bytes).map_err(broken)?;
            let mut served = Vec::new();
            for step in steps(&definition) {
                let Some(recording) = self.recording(&step.key) else {
                    continue;
                };
                let place = self.place(&definition, &step.id, built);
                let refused = self.judge(&step, recording, &from, &expected).await?;
                for (kind, cause, next) in refused {
                    findings.push(Finding {
                        subject: format!("RUN {}", recording.command),
                        ..self.finding(place.clone(), kind, cause, next)
                    });
                }
                let lines = downloads::user_of(&definition, &step.id, self.build.file);
                served.push(Served {
                    line: lines.map_or(0, |(first, _)| first),
                    mount: format!(
                        "type=bind,from={store},source=/{STEPS}/{},target={PLACE}",
                        step.key.hex()
                    ),
                    launcher: format!("{PLACE}/{REPLAY}"),
                    argv: step.argv,
                });
            }
            if served.is_empty() {
                findings.push(self.nothing());
            }
            match with_launchers(&built.rewritten.bytes, &served) {
                Ok(edited) => texts.push(pipeline::without_syntax(&edited.bytes)),
                Err(error) => {
                    let line = built.rewritten.original_line(error.line);
                    findings.push(self.finding(
                        Some(Place::lines(line, line)),
                        Kind::Unsupported,
                        format!(
                            "this step cannot be served by stock BuildKit: {}",
                            error.cause
                        ),
                        "change the step so, or build it through this frontend".to_owned(),
                    ));
                }
            }
        }
        texts.dedup();
        let [text] = texts.as_slice() else {
            if findings.is_empty() {
                findings.push(
                    self.finding(
                        None,
                        Kind::Unsupported,
                        "each platform has recordings of its own, and so needs a text of its own"
                            .to_owned(),
                        "rewrite one platform at a time (--platform)".to_owned(),
                    ),
                );
            }
            return Ok(Err(findings));
        };
        if !findings.is_empty() {
            return Ok(Err(findings));
        }
        let mut graph = Graph::default();
        let file = NewFile::new("Dockerfile", text.clone());
        let folder = graph
            .files(&[file], "[verified] the Dockerfile for stock BuildKit")
            .map_err(broken)?;
        Ok(Ok(BuildResult {
            refs: Refs::Single(Ref {
                id: String::new(),
                definition: Some(graph.finish(&folder).encode()),
            }),
            metadata: BTreeMap::new(),
            attestations: BTreeMap::new(),
        }))
    }

    fn nothing(&self) -> Finding {
        self.finding(
            None,
            Kind::Unpinned,
            "none of its steps has a recording in the lock".to_owned(),
            NEXT.to_owned(),
        )
    }

    fn finding(&self, place: Option<Place>, kind: Kind, cause: String, next: String) -> Finding {
        Finding {
            kind,
            file: self.build.file.to_owned(),
            place,
            subject: String::new(),
            cause,
            next,
        }
    }
}
