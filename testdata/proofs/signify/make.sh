#!/bin/sh
# Makes the files in this folder with signify itself (Debian package signify-openbsd). Secret keys are thrown away, so a new
# run makes new public keys: then put them into the `verified` members of cases.ndjson.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT

for name in alice bob; do
    signify-openbsd -G -n -p "$tmp/$name.pub" -s "$tmp/$name.sec"
    cp "$tmp/$name.pub" "$name.pub"
done
tail -n 1 alice.pub > alice.line
printf 'The quick release\n' > release.bin
printf 'The slow release!\n' > other.bin

signify-openbsd -S -s "$tmp/alice.sec" -m release.bin -x release.sig
signify-openbsd -S -s "$tmp/alice.sec" -m other.bin -x other.sig
signify-openbsd -S -s "$tmp/bob.sec" -m release.bin -x bob.sig
signify-openbsd -S -e -s "$tmp/alice.sec" -m release.bin -x embedded.sig
signify-openbsd -S -e -s "$tmp/alice.sec" -m other.bin -x embedded-other.sig
gzip -n -c release.bin > "$tmp/release.gz"
signify-openbsd -S -z -s "$tmp/alice.sec" -m "$tmp/release.gz" -x gzip.sig

signify-openbsd -V -q -p alice.pub -m release.bin -x release.sig
signify-openbsd -V -q -p alice.pub -m other.bin -x other.sig
signify-openbsd -V -q -p bob.pub -m release.bin -x bob.sig
signify-openbsd -V -q -e -p alice.pub -m "$tmp/out" -x embedded.sig
