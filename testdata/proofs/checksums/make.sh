#!/bin/sh
# Makes the files in this folder with the tools that publishers use: coreutils, perl's shasum, openssl; signed by minisign, signify
# and ssh-keygen (Debian packages). Secret keys are thrown away, so a new run makes new public keys: then put them
# into the `verified` members of cases.ndjson.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
export LC_ALL=C

printf 'The quick release\n' > app.tar.gz
printf 'The slow release!\n' > other.tar.gz
mkdir "$tmp/files" "$tmp/files/dist" "$tmp/files/old"
cp app.tar.gz other.tar.gz "$tmp/files"
cp app.tar.gz "$tmp/files/dist/app.tar.gz"
cp other.tar.gz "$tmp/files/old/app.tar.gz"
cp app.tar.gz "$tmp/files/dist/tool.zip"
cp app.tar.gz "$tmp/files/back\\slash"
out=$PWD
(
    cd "$tmp/files"
    sha256sum app.tar.gz other.tar.gz > "$out/SHA256SUMS"
    sha384sum app.tar.gz other.tar.gz > "$out/SHA384SUMS"
    sha512sum app.tar.gz other.tar.gz > "$out/SHA512SUMS"
    sha256sum -b app.tar.gz other.tar.gz > "$out/binary.sums"
    sha256sum --tag app.tar.gz other.tar.gz > "$out/bsd.sums"
    { md5sum --tag app.tar.gz && sha256sum --tag app.tar.gz && sha512sum --tag app.tar.gz; } > "$out/several.sums"
    openssl dgst -sha256 app.tar.gz other.tar.gz > "$out/openssl.sums"
    openssl dgst -sha256 -r app.tar.gz other.tar.gz > "$out/openssl-r.sums"
    shasum -a 512 app.tar.gz other.tar.gz > "$out/shasum.sums"
    find . -type f | sort | xargs -d '\n' sha256sum > "$out/folders.sums"
    md5sum app.tar.gz > "$out/md5.sums"
    sha1sum app.tar.gz > "$out/sha1.sums"
    sha256sum 'back\slash' > "$out/escaped.sums"
    sha256sum --tag 'back\slash' > "$out/escaped-bsd.sums"
)
sha256sum app.tar.gz | cut -d' ' -f1 > app.tar.gz.sha256
cut -c-64 app.tar.gz.sha256 | tr a-f A-F | tr -d '\n' > upper.sha256
sha512sum app.tar.gz | cut -d' ' -f1 > app.tar.gz.sha512

minisign -G -W -f -p minisign.pub -s "$tmp/minisign" > /dev/null
minisign -S -s "$tmp/minisign" -m SHA256SUMS -x SHA256SUMS.minisig -t 'timestamp:1795300000	file:SHA256SUMS	hashed' > /dev/null
minisign -S -s "$tmp/minisign" -m SHA512SUMS -x SHA512SUMS.minisig -t 'timestamp:1795300000	file:SHA512SUMS	hashed' > /dev/null
signify-openbsd -G -n -p "$tmp/signify.pub" -s "$tmp/signify.sec"
cp "$tmp/signify.pub" signify.pub
signify-openbsd -S -e -s "$tmp/signify.sec" -m bsd.sums -x bsd.sums.sig
ssh-keygen -q -t ed25519 -N '' -C release@example.com -f "$tmp/ssh"
cp "$tmp/ssh.pub" ssh.pub
ssh-keygen -q -Y sign -f "$tmp/ssh" -n file < SHA256SUMS > SHA256SUMS.sshsig
