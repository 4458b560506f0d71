#!/bin/sh
# Makes the files in this folder with minisign itself (Debian package minisign, 0.11). Secret keys are thrown away, so a
# new run makes new public keys: then put them into the `verified` members of cases.ndjson.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT

for name in alice bob; do
    minisign -G -W -f -p "$name.pub" -s "$tmp/$name" > /dev/null
done
tail -n 1 alice.pub > alice.line

printf 'The quick release\n' > release.bin
printf 'The slow release!\n' > other.bin
printf '%064d' 7 > sixty-four.bin

sign() { # secret key, file, signature, further options
    key=$1 file=$2 out=$3
    shift 3
    minisign -S -s "$tmp/$key" -m "$file" -x "$out" "$@" > /dev/null
}
sign alice release.bin release.minisig -t 'timestamp:1795300000	file:release.bin	hashed'
sign alice release.bin comment.minisig -t 'built for project x, 2026'
sign alice other.bin other.minisig -t 'timestamp:1795300000	file:other.bin	hashed'
sign bob release.bin bob.minisig -t 'timestamp:1795300000	file:release.bin	hashed'
sign alice release.bin legacy.minisig -l -t 'timestamp:1600000000	file:release.bin'
sign alice sixty-four.bin sixty-four.minisig -l -t 'timestamp:1600000000	file:sixty-four.bin'

sign alice sixty-four.bin sixty-four-hashed.minisig -t 'timestamp:1795300000	file:sixty-four.bin	hashed'

for f in *.minisig; do
    case $f in bob.minisig) p=bob.pub ;; *) p=alice.pub ;; esac
    case $f in other*) m=other.bin ;; sixty*) m=sixty-four.bin ;; *) m=release.bin ;; esac
    minisign -V -q -p "$p" -m "$m" -x "$f"
done
