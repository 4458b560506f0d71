//! RUN steps that download: served from their recordings in a build, recorded for `lock`.
//!
//! The stock frontend knows nothing of it: it makes the graph of a Dockerfile whose steps have no network, and that graph is audited. Then the
//! launcher is put in front of the commands that have a recording, with what it serves mounted below `/dev`; text, image
//! configuration and history stay as they are. The changed graph is audited again before anything of it runs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use super::{
    Failure, downloads,
    options::{Options, Record, Wanted},
    source,
};
use crate::{
    digest::Digest,
    fetch::Network,
    gateway::{BuildResult, Client, Ref, Refs, SolveRequest},
    llb::{
        audit::{Expected, HttpPin, ImagePin, OciPin},
        build::{
            Access, Attached, Bind, BuildError, Command, Graph, Launcher, Local, NewFile, Output,
            is_own, launch,
        },
        definition::Definition,
        ops::{Kind as OpKind, NetMode},
    },
    pipeline::{self, AT_ONCE, Build, PlatformOutcome},
    policy::{Body, Subject},
    reference::{self, ImageReference},
    replay::{
        cloned,
        launch::{BODIES, PLACE, RECORD, RECORDING, RECORDS},
        record::{Exchange, Recording, shown},
        step,
        store::{self, REPLAY},
        trust,
    },
    report::{Finding, Kind, Place},
    resolve::buildkit::{BuildKit, TRANSFER},
    shell::{self, CheckKind},
    verify::openpgp::{self, MAX_KEY_BYTES},
};

/// The named context that has the bodies.
pub const STORE: &str = "verified-store";
/// What to do without a store.
pub(super) const GIVE_STORE: &str = "give the folder that `verified-dockerfile record` filled: --build-context verified-store=FOLDER";
/// What to do if bodies are not as recorded.
pub(super) const LOOK_ABOVE: &str = "look for the reason in the step's output above; give the store that `verified-dockerfile record` filled, or record the step again";
/// How many URLs of a step are named in one finding.
const MAX_NAMED: usize = 5;

/// Where bodies come from.
pub(super) enum Store {
    /// A folder of the client: its local name and session.
    Local(String, String),
    /// An image, with its digest.
    Image(ImageReference),
    /// An image in an OCI layout of the client: its digest, store and session.
    Layout(Digest, String, String),
    /// Nowhere else than where they came from.
    None,
}

/// What is needed to serve or record steps.
pub struct Steps<'a> {
    pub(super) client: &'a Client,
    pub(super) build: &'a Build<'a>,
    pub(super) resolver: &'a BuildKit<'a>,
    options: &'a Options,
    session: &'a str,
    /// Our own image.
    own: Definition,
}

/// A command of a graph and its key.
pub(super) struct Step {
    pub id: Digest,
    pub key: Digest,
    pub argv: Vec<String>,
    /// `NAME=value`.
    env: Vec<String>,
    architecture: String,
}

impl Step {
    /// The SHA-256, as digits, that it compares something with by itself.
    fn compares(&self) -> BTreeSet<String> {
        let variables = self.env.iter().filter_map(|text| text.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let reading = shell::read(&shell::Step {
            argv: &self.argv,
            script: None,
            variables: &variables.collect(),
            architecture: &self.architecture,
        });
        let expected = reading
            .checks
            .into_iter()
            .filter_map(|check| match check.kind {
                CheckKind::Hash {
                    algorithm: "sha256",
                    expected,
                    ..
                } => Some(expected),
                _ => None,
            });
        expected.flatten().collect()
    }
}

impl<'a> Steps<'a> {
    /// `None` if our own image is not known here and nothing needs it.
    pub fn new(
        client: &'a Client,
        build: &'a Build<'a>,
        resolver: &'a BuildKit<'a>,
        options: &'a Options,
        session: &'a str,
    ) -> Result<Option<Self>, Failure> {
        let needed = build.lock.runs().next().is_some()
            || options.wanted().is_ok_and(|wanted| wanted != Wanted::Image);
        if !needed {
            return Ok(None);
        }
        let own = std::fs::read(&resolver.own_image).map_err(broken)?;
        Ok(Some(Self {
            client,
            build,
            resolver,
            options,
            session,
            own: Definition::decode(&own).map_err(broken)?,
        }))
    }

    /// Puts the launcher in front of the steps of `result` that have a recording, and adds to `expected` what that brings in.
    /// What they are given is judged, and made, before anything of the build runs. Findings for what is refused.
    pub async fn replay(
        &self,
        result: &mut BuildResult,
        expected: &mut Expected,
        built: &PlatformOutcome,
    ) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        let mut store = None;
        for reference in references(result) {
            let Some(bytes) = &mut reference.definition else {
                continue;
            };
            let mut definition = Definition::decode(bytes).map_err(broken)?;
            let mut graph = Graph::default();
            let mut launchers = BTreeMap::new();
            for step in steps(&definition) {
                let Some(recording) = self.recording(&step.key) else {
                    continue;
                };
                let place = self.place(&definition, &step.id, built);
                if store.is_none() {
                    store = Some(self.store(expected)?);
                }
                let store = store.as_ref().unwrap_or(&Store::None);
                let launcher = self
                    .replayed(
                        &step,
                        recording,
                        store,
                        expected,
                        &mut graph,
                        place,
                        &mut findings,
                    )
                    .await?;
                launchers.insert(step.id, launcher);
            }
            if !launchers.is_empty() {
                launch(&mut definition, &graph, &launchers);
                *bytes = definition.encode();
            }
        }
        Ok(findings)
    }

    /// The recording of a step that asked for something.
    pub(super) fn recording(&self, key: &Digest) -> Option<&'a Recording> {
        let recording = self.build.lock.run(key)?;
        (!recording.exchanges.is_empty()).then_some(recording)
    }

    #[expect(clippy::too_many_arguments)]
    pub(super) async fn replayed(
        &self,
        step: &Step,
        recording: &Recording,
        store: &Store,
        expected: &mut Expected,
        graph: &mut Graph,
        place: Option<Place>,
        findings: &mut Vec<Finding>,
    ) -> Result<Launcher, Failure> {
        let finding = |kind: Kind, cause: String, next: String| Finding {
            kind,
            file: self.build.file.to_owned(),
            place: place.clone(),
            subject: format!("RUN {}", recording.command),
            cause,
            next,
        };
        let refused = self.judge(step, recording, store, expected).await?;
        let allowed = refused.is_empty();
        for (kind, cause, next) in refused {
            findings.push(finding(kind, cause, next));
        }
        let made = self.folder(recording, store, expected)?;
        let folder = match made {
            Ok(folder) => folder,
            Err(cause) => {
                findings.push(finding(Kind::Unpinned, cause, GIVE_STORE.to_owned()));
                return Ok(launcher(Vec::new()));
            }
        };
        if allowed && findings.is_empty() {
            let request = SolveRequest::definition(folder.encode());
            let made = async {
                let solved = self.client.solve(request, TRANSFER).await?;
                let made = source::single(solved.refs)?;
                Ok::<_, Failure>(self.client.evaluate(&made, TRANSFER).await?)
            };
            match made.await {
                Ok(()) => {}
                Err(Failure::Gateway(error)) => findings.push(finding(
                    Kind::Unverified,
                    format!("what it was given cannot be had as recorded: {error}"),
                    LOOK_ABOVE.to_owned(),
                )),
                Err(other) => return Err(other),
            }
        }
        let output = graph.import(&folder).map_err(broken)?;
        Ok(launcher(beside(step, &output, "")))
    }

    /// What the policy refuses of what a step is given, with the same reason together: kind, cause, next step.
    pub(super) async fn judge(
        &self,
        step: &Step,
        recording: &Recording,
        store: &Store,
        expected: &Expected,
    ) -> Result<Vec<(Kind, String, String)>, Failure> {
        let bodies = self.bodies(step, recording, store, expected).await?;
        let mut refused = self.judge_bodies(recording, &bodies).await;
        refused.extend(self.judge_clones(recording, store, expected).await?);
        Ok(refused)
    }

    /// What is known of the bodies that a step is given, where the policy's rules make something of it.
    async fn bodies(
        &self,
        step: &Step,
        recording: &Recording,
        store: &Store,
        expected: &Expected,
    ) -> Result<BTreeMap<Digest, Body>, Failure> {
        let mut known: BTreeMap<Digest, Body> = BTreeMap::new();
        for digits in step.compares() {
            if let Ok(digest) = format!("sha256:{digits}").parse() {
                known.entry(digest).or_default().compared = true;
            }
        }
        let keys = recording.exchanges.iter().filter(|exchange| {
            let subject = Subject::http(&exchange.url);
            exchange.has_body() && subject.is_ok_and(|url| self.build.policy.wants_keys(&url))
        });
        let keys: BTreeMap<&Digest, u64> = keys.map(|one| (&one.digest, one.size)).collect();
        if keys.is_empty() {
            return Ok(known);
        }
        let mut graph = Graph::default();
        // What cannot be had is told when the step's folder is made. It is only looked at here, and expected there.
        let Ok(bodies) = self.load(recording, store, &mut expected.clone(), &mut graph) else {
            return Ok(known);
        };
        let request = SolveRequest::definition(graph.finish(&bodies).encode());
        let solved = self.client.solve(request, TRANSFER).await?;
        let solved = source::single(solved.refs)?;
        for (digest, size) in keys {
            let small = usize::try_from(size).is_ok_and(|size| size <= MAX_KEY_BYTES);
            let path = format!("{BODIES}/{}", digest.hex());
            let read = self
                .client
                .read_file(&solved, &path, MAX_KEY_BYTES, TRANSFER);
            // A body that is not there, or another, has no keys that count; what is wrong is told with the folder.
            if small
                && let Ok(bytes) = read.await
                && Digest::sha256(&bytes) == *digest
            {
                known.entry(digest.clone()).or_default().keys =
                    openpgp::published(&bytes).unwrap_or_default();
            }
        }
        Ok(known)
    }

    /// What the policy's `http` rules say of each body that a step is given: those that they refuse.
    async fn judge_bodies(
        &self,
        recording: &Recording,
        known: &BTreeMap<Digest, Body>,
    ) -> Vec<(Kind, String, String)> {
        let bodies: BTreeSet<(&str, &Digest)> = recording
            .exchanges
            .iter()
            .filter(|exchange| exchange.has_body() && cloned::remote(exchange).is_none())
            .map(|exchange| (exchange.url.as_str(), &exchange.digest))
            .collect();
        let asked = bodies.into_iter().map(|(url, digest)| async move {
            let body = known.get(digest).cloned().unwrap_or_default();
            let judged = pipeline::body(self.build, self.resolver, url, digest, body).await;
            judged.refusal().map(|refusal| (url, refusal))
        });
        let judged: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let mut reasons: BTreeMap<(Kind, String, String), Vec<&str>> = BTreeMap::new();
        for (url, (kind, cause, next)) in judged.into_iter().flatten() {
            reasons.entry((kind, cause, next)).or_default().push(url);
        }
        let told = reasons.into_iter().map(|((kind, cause, next), urls)| {
            let named: Vec<String> = urls.iter().take(MAX_NAMED).map(|url| shown(url)).collect();
            let more = match urls.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            (
                kind,
                format!("it downloads {}{more}: {cause}", named.join(", ")),
                next,
            )
        });
        told.collect()
    }

    /// The graph of the folder that a replayed step gets. A sentence if bodies of it cannot be had.
    pub(super) fn folder(
        &self,
        recording: &Recording,
        store: &Store,
        expected: &mut Expected,
    ) -> Result<Result<Definition, String>, Failure> {
        let mut graph = Graph::default();
        let root = self.own(&mut graph, expected)?;
        let json = recording.to_json().map_err(broken)?;
        let named = shown(&recording.command);
        let written = [NewFile::new(RECORDING, json)];
        let written = graph
            .files(&written, &format!("[verified] recording of {named}"))
            .map_err(broken)?;
        let bodies = match self.load(recording, store, expected, &mut graph) {
            Ok(output) => output,
            Err(cause) => return Ok(Err(cause)),
        };
        let words = ["/verified-dockerfile", "internal", "replay-store"];
        let file = format!("/recording/{RECORDING}");
        let words = words.into_iter().chain([file.as_str(), "/store", "/out"]);
        let mut command = Command::new(root, words.map(str::to_owned).collect());
        for (from, to, readonly) in [
            (Some(written), "/recording", true),
            (Some(bodies), "/store", true),
            (None, "/out", false),
        ] {
            command.binds.push(Bind {
                from,
                selector: String::new(),
                to: to.to_owned(),
                readonly,
            });
        }
        let made = graph.exec(
            &command,
            &format!("[verified] check what {named} downloads"),
        );
        let made = made
            .first()
            .ok_or_else(|| broken("a step without output"))?;
        Ok(Ok(graph.finish(made)))
    }

    /// The bodies from wherever they are, not yet checked.
    fn load(
        &self,
        recording: &Recording,
        store: &Store,
        expected: &mut Expected,
        graph: &mut Graph,
    ) -> Result<Output, String> {
        let named = shown(&recording.command);
        Ok(match store {
            Store::Local(name, session) => {
                let paths = recording.bodies().into_keys();
                let local = Local {
                    name: name.clone(),
                    session: session.clone(),
                    follow_paths: paths
                        .map(|digest| format!("{BODIES}/{}", digest.hex()))
                        .collect(),
                    shared_key_hint: format!("verified-dockerfile {STORE}"),
                    ..Local::default()
                };
                graph.local(&local, &format!("[verified] load what {named} downloads"))
            }
            Store::Image(reference) => {
                let platform = super::gate::platform(self.build.build_platform);
                graph.image(
                    &reference.to_string(),
                    &platform,
                    &format!("[verified] load what {named} downloads"),
                )
            }
            Store::Layout(digest, store, session) => {
                let name = format!("docker.io/library/{STORE}@{digest}");
                let platform = super::gate::platform(self.build.build_platform);
                let about = format!("[verified] load what {named} downloads");
                graph.layout(&name, store, session, &platform, &about)
            }
            Store::None => return self.by_url(recording, expected, graph),
        })
    }

    /// The bodies from where they came from, each checked by BuildKit. Only what a plain request gives can be had so.
    fn by_url(
        &self,
        recording: &Recording,
        expected: &mut Expected,
        graph: &mut Graph,
    ) -> Result<Output, String> {
        let mut files = Vec::new();
        for digest in recording.bodies().into_keys() {
            let mut served = recording
                .exchanges
                .iter()
                .filter(|other| other.digest == *digest);
            let Some(exchange) = served.clone().find(|exchange| is_plain(exchange)) else {
                let url = served.next().map_or("", |exchange| exchange.url.as_str());
                return Err(format!(
                    "what {} gave can only come from a store, and none is given",
                    shown(url)
                ));
            };
            let url = &exchange.url;
            let file = graph.http(
                url,
                Some(digest),
                "body",
                &format!("[verified] download {url}"),
            );
            let pins = expected.http.entry(url.clone()).or_default();
            pins.push(HttpPin::from(digest.clone()));
            files.push((
                file,
                "body".to_owned(),
                format!("{BODIES}/{}", digest.hex()),
            ));
        }
        let name = format!(
            "[verified] load what {} downloads",
            shown(&recording.command)
        );
        match graph.collect(&files, &name) {
            // A step that was only given empty answers.
            Err(BuildError::Nothing) => graph.files(&[NewFile::new("none", Vec::new())], &name),
            other => other,
        }
        .map_err(|error| error.to_string())
    }

    /// Our own image in `graph`, and among what may be used.
    pub(super) fn own(
        &self,
        graph: &mut Graph,
        expected: &mut Expected,
    ) -> Result<Output, Failure> {
        let sources = self
            .own
            .nodes
            .iter()
            .filter(|node| matches!(node.op().kind, Some(OpKind::Source(_))));
        expected.own.extend(sources.map(|node| node.id().clone()));
        graph.import(&self.own).map_err(broken)
    }

    pub(super) fn store(&self, expected: &mut Expected) -> Result<Store, Failure> {
        let Some(value) = self.options.get(&format!("context:{STORE}")) else {
            return Ok(Store::None);
        };
        if let Some(name) = value.strip_prefix("local:") {
            let session = self.options.local_session(name).unwrap_or(self.session);
            expected
                .locals
                .entry(name.to_owned())
                .or_default()
                .insert(session.to_owned());
            return Ok(Store::Local(name.to_owned(), session.to_owned()));
        }
        // Nothing of it is trusted: each body in it is compared with the lock.
        if let Some((store, digest)) = reference::layout(value) {
            expected.oci_layouts.insert(OciPin {
                store: store.to_owned(),
                session: self.session.to_owned(),
                digest: digest.clone(),
            });
            return Ok(Store::Layout(
                digest,
                store.to_owned(),
                self.session.to_owned(),
            ));
        }
        let image = value
            .strip_prefix("docker-image:")
            .and_then(|name| ImageReference::parse(name.trim_start_matches("//")).ok());
        let pinned = image.and_then(|image| Some((image.digest()?.clone(), image)));
        let Some((digest, image)) = pinned else {
            return Err(broken(format!(
                "the named context {STORE} is {value}; give it as a folder, or by its digest as docker-image://IMAGE@sha256:... or \
                 oci-layout://PATH@sha256:..."
            )));
        };
        expected.images.insert(ImagePin {
            repository: image.repository(),
            digest,
        });
        Ok(Store::Image(image))
    }

    pub(super) fn place(
        &self,
        definition: &Definition,
        id: &Digest,
        built: &PlatformOutcome,
    ) -> Option<Place> {
        let (start, end) = downloads::user_of(definition, id, self.build.file)?;
        let (start, end) = (
            built.rewritten.original_line(start),
            built.rewritten.original_line(end),
        );
        Some(Place::lines(start, end.max(start)))
    }

    /// What `lock` asks for: instead of the image, a folder with what the steps of `result` are given while they run with the
    /// network. Steps that have a recording are served from it, unless all are recorded anew.
    pub async fn record(
        &self,
        which: Record,
        result: BuildResult,
        expected: &mut Expected,
        built: &PlatformOutcome,
    ) -> Result<Result<BuildResult, Vec<Finding>>, Failure> {
        let mut result = result;
        let mut findings = Vec::new();
        let mut all = Graph::default();
        let mut outputs = Vec::new();
        let store = self.store(expected)?;
        for reference in references(&mut result) {
            let Some(bytes) = &reference.definition else {
                continue;
            };
            let mut definition = Definition::decode(bytes).map_err(broken)?;
            let mut graph = Graph::default();
            let root = self.own(&mut graph, expected)?;
            let words = ["/verified-dockerfile", "internal", "replay-folder", "/out"];
            let hosts = expected.extra_hosts.iter().filter(|host| !is_own(host));
            let hosts = hosts.map(|host| format!("{}={}", host.host, host.ip));
            let words = words.into_iter().map(str::to_owned).chain(hosts);
            let mut folder = Command::new(root, words.collect());
            // It tells which name servers steps with the network have, now.
            (folder.network, folder.ignore_cache) = (NetMode::Unset, true);
            let folder = graph.exec(&folder, "[verified] make room for recordings");
            let folder = folder
                .first()
                .ok_or_else(|| broken("a step without output"))?
                .clone();
            let mut launchers = BTreeMap::new();
            for step in steps(&definition) {
                if let (Record::Missing, Some(recording)) = (which, self.build.lock.run(&step.key))
                {
                    if recording.exchanges.is_empty() {
                        continue;
                    }
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
                    launchers.insert(step.id, launcher);
                    continue;
                }
                // Whoever wrote that a step has no network does not want it to have one now.
                let wanted = built.plan.runs.iter().any(|run| {
                    run.reachable && run.network == Network::Default && run.argv == step.argv
                });
                if !wanted {
                    continue;
                }
                let mut attached = beside(&step, &folder, &format!("/{}", store::BESIDE));
                attached.push(attach(
                    &folder,
                    &format!("/{}", store::RECORDS),
                    RECORDS,
                    Access::Output,
                ));
                launchers.insert(
                    step.id,
                    Launcher {
                        words: vec![RECORD.to_owned(), step.key.hex().to_owned()],
                        attached,
                        network: Some(NetMode::Unset),
                    },
                );
            }
            let written = launch(&mut definition, &graph, &launchers);
            all.import(&definition).map_err(broken)?;
            outputs.extend(written.into_values().flatten());
        }
        if !findings.is_empty() {
            return Ok(Err(findings));
        }
        let definition = if outputs.is_empty() {
            None
        } else {
            let together = all
                .together(&outputs, "records", "[verified] recordings")
                .map_err(broken)?;
            Some(all.finish(&together).encode())
        };
        Ok(Ok(BuildResult {
            refs: Refs::Single(Ref {
                id: String::new(),
                definition,
            }),
            metadata: BTreeMap::new(),
            attestations: BTreeMap::new(),
        }))
    }
}

/// Whether a request without headers and body has given it.
fn is_plain(exchange: &Exchange) -> bool {
    exchange.method == "GET"
        && exchange.status == 200
        && exchange.sent.is_none()
        && !exchange.headers.contains_key("content-encoding")
        && !exchange.asked.contains_key("range")
}

/// What a step with a launcher has: the folder `within` of `from`, the name server, and whom to trust if it needs that.
fn beside(step: &Step, from: &Output, within: &str) -> Vec<Attached> {
    let of = |name: &str| format!("{within}/{name}");
    let mut attached = vec![
        attach(from, within, PLACE, Access::Read),
        attach(
            from,
            &of(store::RESOLV_CONF),
            "/etc/resolv.conf",
            Access::Read,
        ),
    ];
    if trust::is_needed(&step.argv) {
        let lists = trust::LISTS.iter();
        attached.extend(lists.map(|list| attach(from, &of(trust::LIST), list, Access::Scratch)));
    }
    attached
}

fn attach(from: &Output, selector: &str, to: &str, access: Access) -> Attached {
    Attached {
        from: from.clone(),
        selector: selector.to_owned(),
        to: to.to_owned(),
        access,
    }
}

fn launcher(attached: Vec<Attached>) -> Launcher {
    Launcher {
        words: vec![format!("{PLACE}/{REPLAY}")],
        attached,
        network: None,
    }
}

/// The commands without network, in the order of the graph. What a rule of the policy gives the network needs no recording.
pub(super) fn steps(definition: &Definition) -> Vec<Step> {
    let mut counts: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for node in &definition.nodes {
        let Some(OpKind::Exec(exec)) = &node.op().kind else {
            continue;
        };
        if exec.network != NetMode::None {
            continue;
        }
        let first = step::key(node.op(), exec, 0);
        let count = counts.entry(first.clone()).or_default();
        let key = match *count {
            0 => first,
            number => step::key(node.op(), exec, number),
        };
        *count = count.saturating_add(1);
        let meta = exec.meta.clone().unwrap_or_default();
        let platform = node.op().platform.as_ref();
        found.push(Step {
            id: node.id().clone(),
            key,
            argv: meta.args,
            env: meta.env,
            architecture: platform
                .map_or_else(String::new, |platform| platform.architecture.clone()),
        });
    }
    found
}

pub(super) fn references(result: &mut BuildResult) -> Vec<&mut Ref> {
    match &mut result.refs {
        Refs::Single(reference) => vec![reference],
        Refs::Map(map) => map.values_mut().collect(),
    }
}

pub(super) fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::Status(crate::gateway::Status::new(error.to_string()))
}
