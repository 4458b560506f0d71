//! The repositories that a recorded step clones: what the policy's `git` rules say of the commits that were brought.

use std::collections::BTreeSet;

use super::{
    Failure,
    replay::{Steps, Store, broken},
    source,
};
use crate::{
    gateway::SolveRequest,
    llb::{
        audit::Expected,
        build::{Bind, Command, Graph},
    },
    pipeline,
    policy::{Pin, Policy, Subject, commit_subject},
    replay::{
        cloned::{self, MAX_ANSWER, Tip},
        record::{Recording, shown},
    },
    report::Kind,
    resolve::buildkit::TRANSFER,
    verify::Proof,
};

/// How much of a commit's id is shown.
const SHORT: usize = 12;

impl Steps<'_> {
    /// What the policy refuses of the repositories in `recording`: kind, cause and next step of each.
    pub(super) async fn judge_clones(
        &self,
        recording: &Recording,
        store: &Store,
        expected: &Expected,
    ) -> Result<Vec<(Kind, String, String)>, Failure> {
        let exchanges = recording.exchanges.iter();
        let remotes: BTreeSet<&str> = exchanges.filter_map(cloned::remote).collect();
        let mut refused = Vec::new();
        for remote in remotes {
            let told = self.judge_clone(remote, recording, store, expected).await?;
            refused.extend(told.map(|(kind, cause, next)| {
                (kind, format!("it clones {}: {cause}", shown(remote)), next)
            }));
        }
        Ok(refused)
    }

    async fn judge_clone(
        &self,
        remote: &str,
        recording: &Recording,
        store: &Store,
        expected: &Expected,
    ) -> Result<Option<(Kind, String, String)>, Failure> {
        let policy = self.build.policy;
        let subject = match Subject::git(remote, "") {
            Ok(subject) => subject,
            Err(error) => {
                let next = "write the remote in its plain form".to_owned();
                return Ok(Some((Kind::Unsupported, error.to_string(), next)));
            }
        };
        if let Some(verdict) = policy.refuses(&subject, self.build.now) {
            let refusal = pipeline::refusal(&verdict);
            return Ok(refusal.map(|(cause, next)| (Kind::Unverified, cause, next)));
        }
        if policy.wanted(&subject, self.build.now).is_empty() {
            return Ok(None);
        }
        let tips = match self
            .tips(
                remote,
                policy.wants_tags(&subject),
                recording,
                store,
                expected,
            )
            .await?
        {
            Ok(tips) => tips,
            Err((cause, next)) => return Ok(Some((Kind::Unverified, cause, next))),
        };
        Ok(tips
            .into_iter()
            .find_map(|tip| self.judge_tip(policy, remote, tip)))
    }

    fn judge_tip(&self, policy: &Policy, remote: &str, tip: Tip) -> Option<(Kind, String, String)> {
        let reference = if tip.tag.is_empty() {
            String::new()
        } else {
            format!("refs/tags/{}", tip.tag)
        };
        let subject = Subject::git(remote, &reference).ok()?;
        let mut evidence = self.build.evidence.clone();
        evidence.insert(commit_subject(&tip.commit), Proof::Git(tip.objects));
        let short = tip.commit.get(..SHORT).unwrap_or(&tip.commit).to_owned();
        let verdict = policy.judge(
            &subject,
            &Pin::Commit(tip.commit),
            &evidence,
            self.build.now,
        );
        let (cause, next) = pipeline::refusal(&verdict)?;
        let named = if tip.tag.is_empty() {
            String::new()
        } else {
            format!(" (tag {})", shown(&tip.tag))
        };
        Some((
            Kind::Unverified,
            format!("commit {short}{named}: {cause}"),
            next,
        ))
    }

    /// The tips of what was cloned from `remote`, read by a step of our own image; or why there are none, and what to do.
    async fn tips(
        &self,
        remote: &str,
        tags: bool,
        recording: &Recording,
        store: &Store,
        expected: &Expected,
    ) -> Result<Result<Vec<Tip>, (String, String)>, Failure> {
        // It is only looked at here, and expected where it is served.
        let mut expected = expected.clone();
        let folder = match self.folder(recording, store, &mut expected)? {
            Ok(folder) => folder,
            Err(cause) => return Ok(Err((cause, super::replay::GIVE_STORE.to_owned()))),
        };
        let mut graph = Graph::default();
        let root = self.own(&mut graph, &mut expected)?;
        let served = graph.import(&folder).map_err(broken)?;
        let mut words = vec!["/verified-dockerfile", "internal", "cloned-commits"];
        if tags {
            words.push("--tags");
        }
        words.extend(["--", "/in", remote, "/out/answer"]);
        let mut command = Command::new(root, words.into_iter().map(str::to_owned).collect());
        for (from, to, readonly) in [(Some(served), "/in", true), (None, "/out", false)] {
            command.binds.push(Bind {
                from,
                selector: String::new(),
                to: to.to_owned(),
                readonly,
            });
        }
        let made = graph.exec(
            &command,
            &format!("[verified] read what {} gave", shown(remote)),
        );
        let made = made
            .first()
            .ok_or_else(|| broken("a step without output"))?;
        let request = SolveRequest::definition(graph.finish(made).encode());
        let read = async {
            let solved = self.client.solve(request, TRANSFER).await?;
            let solved = source::single(solved.refs)?;
            Ok::<_, Failure>(
                self.client
                    .read_file(&solved, "answer", MAX_ANSWER, TRANSFER)
                    .await?,
            )
        };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(Failure::Gateway(error)) => {
                return Ok(Err((
                    format!("what it was given cannot be had as recorded: {error}"),
                    super::replay::LOOK_ABOVE.to_owned(),
                )));
            }
            Err(other) => return Err(other),
        };
        Ok(cloned::read(&bytes).map_err(broken)?.map_err(|cause| {
            let next = "clone just what the step needs, as the cause says; or have the `git` rule accept what is recorded: accept = \"digest\"";
            (format!("its commits cannot be checked: {cause}"), next.to_owned())
        }))
    }
}
