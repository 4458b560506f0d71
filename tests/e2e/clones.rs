//! Repositories that a RUN step clones: judged by the rules for git.

use engine::Result;

use crate::{
    Test,
    bench::{Case, accept},
    proofs::{policy, repository, testdata},
    replay::{any_url, git_image, record, replay},
};

pub const TESTS: &[Test] = &[
    ("a_clone_at_a_signed_tag", tag),
    ("a_clone_whose_tag_has_another_name", renamed),
    ("a_clone_of_signed_commits", commit),
];

const SIGNED: (&str, [&str; 2]) = ("commit", ["git", "sha1-ssh.commit"]);
const UNSIGNED: (&str, [&str; 2]) = ("commit", ["git", "unsigned.commit"]);
const TAG: (&str, [&str; 2]) = ("tag", ["git", "sha1-ssh.tag"]);

/// A repository, and clones of it whose command is put together from words.
struct Clones<'c> {
    case: &'c Case<'c>,
    programs: String,
    url: String,
}

impl<'c> Clones<'c> {
    /// `None` where this engine's root has no git.
    fn of(case: &'c Case<'c>, refs: &[(&str, (&str, [&str; 2]))]) -> Result<Option<Self>> {
        let Some(programs) = git_image(case)? else {
            eprintln!("SKIPPED: this engine's root has no git to put into an image");
            return Ok(None);
        };
        let refs: Vec<_> = refs
            .iter()
            .map(|(name, (kind, file))| (*name, *kind, *file))
            .collect();
        let url = repository(case, &refs)?;
        case.file("keys/alice.pub", testdata("git", "alice.pub")?)?;
        Ok(Some(Self {
            case,
            programs,
            url,
        }))
    }

    /// The rules: of the image, and that the repository is signed by Alice, or what `git` says instead.
    fn policy(&self, signed: &str) -> Result<()> {
        let rules = format!(
            "{}[[git]]\nmatch = \"{}\"\nsigned-by = [\"publisher\"]\nsigned = \"{signed}\"\n",
            accept("image", &self.programs),
            self.url
        );
        policy(self.case, "ssh = \"keys/alice.pub\"", &rules)
    }

    fn dockerfile(&self, words: &str) -> String {
        format!(
            "FROM {}:latest\nRUN git clone {words} {} /clone\n",
            self.programs, self.url
        )
    }

    fn passes(&self, words: &str) -> Result<()> {
        let dockerfile = self.dockerfile(words);
        record(self.case, &dockerfile)?;
        replay(self.case, &dockerfile)?.built()?;
        assert_eq!(self.case.read("result/clone/file")?, "one\n");
        Ok(())
    }

    fn refused(&self, words: &str, why: &str) -> Result<()> {
        let dockerfile = self.dockerfile(words);
        record(self.case, &dockerfile)?;
        replay(self.case, &dockerfile)?.refused("RUN git clone", &["it clones", &self.url, why])?;
        Ok(())
    }
}

fn tag(case: &Case) -> Result<()> {
    let refs = [
        ("refs/heads/main", SIGNED),
        ("refs/heads/other", UNSIGNED),
        ("refs/tags/v2", TAG),
    ];
    let Some(clones) = Clones::of(case, &refs)? else {
        return Ok(());
    };
    clones.policy("tag")?;
    clones.passes("--depth 1 --branch v2")?;
    clones.refused("--depth 1 --branch other", "it has no tag object")?;
    // All branches, of which one is not signed.
    clones.refused("--no-checkout", "it has no tag object")?;
    // What is right for files says nothing about repositories.
    case.policy(&[accept("image", &clones.programs), any_url()])?;
    clones.refused("--depth 1 --branch v2", "no git rule covers")
}

fn renamed(case: &Case) -> Result<()> {
    let refs = [("refs/heads/main", SIGNED), ("refs/tags/v3", TAG)];
    let Some(clones) = Clones::of(case, &refs)? else {
        return Ok(());
    };
    clones.policy("tag")?;
    clones.refused(
        "--depth 1 --branch v3",
        "the name in the tag object is `v2`",
    )
}

fn commit(case: &Case) -> Result<()> {
    let refs = [("refs/heads/main", SIGNED), ("refs/heads/other", UNSIGNED)];
    let Some(clones) = Clones::of(case, &refs)? else {
        return Ok(());
    };
    clones.policy("commit")?;
    clones.passes("--single-branch")?;
    clones.refused("--depth 1 --branch other", "the commit is not signed")?;
    clones.refused("", "the commit is not signed")
}
