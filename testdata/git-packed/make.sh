#!/bin/sh
# Makes the packed repository in this folder, of the commit and the tags in ../proofs/git, with git 2.47.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
export GIT_DIR="$tmp"
git init -q --bare
blob=$(echo one | git hash-object -w --stdin)
printf '100644 blob %s\tfile\n' "$blob" | git mktree > /dev/null
put() { git hash-object -t "$1" -w "../proofs/git/$2"; }
git update-ref refs/heads/main "$(put commit sha1.commit)"
git update-ref refs/tags/v1 "$(put tag sha1.tag)"
git update-ref refs/tags/outer "$(put tag outer.tag)"
git repack -q -a -d
git pack-refs --all
rm -rf objects packed-refs
mkdir -p objects
cp "$tmp"/objects/pack/*.idx objects/packed.idx
cp "$tmp"/objects/pack/*.pack objects/packed.pack
cp "$tmp/packed-refs" packed-refs
chmod 644 objects/*
