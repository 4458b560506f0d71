#!/bin/sh
# Makes the files in this folder with skopeo 1.9 (Debian) and, where skopeo would not, with gpg. Secret keys are thrown away, so a new
# run makes new public keys: then put their fingerprints into the `verified` members of cases.ndjson.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'gpgconf --homedir "$tmp" --kill all; rm -r "$tmp"' EXIT
export GNUPGHOME=$tmp
for name in alice bob; do
    gpg --batch --quiet --passphrase '' --quick-gen-key "$name@example.com" ed25519 sign never 2> /dev/null
    gpg --armor --export "$name@example.com" > $name.asc
done
finger() { gpg --list-keys --with-colons "$1@example.com" | awk -F: '/^fpr/{print $10; exit}'; }
alice=$(finger alice) bob=$(finger bob)

printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}' > app.json
sed 's/"layers"/"annotations":{"a":"b"},"layers"/' app.json > other.json
name=registry.example.com/team/app
skopeo standalone-sign app.json $name:1.0 "$alice" -o signature-1
skopeo standalone-sign app.json $name:1.0 "$bob" -o bob.sig
skopeo standalone-sign other.json $name:1.0 "$alice" -o other.sig
skopeo standalone-sign app.json registry.example.com/team/other:1.0 "$alice" -o other-name.sig
skopeo standalone-verify app.json $name:1.0 "$alice" signature-1 > /dev/null

gpg --decrypt --quiet signature-1 2> /dev/null > "$tmp/payload"
sign() { gpg --batch --yes --quiet --local-user "$alice" --output "$1" --sign; }
sed 's/atomic container signature/something else/' "$tmp/payload" | sign type.sig
sed 's/"type"/"must":true,"type"/' "$tmp/payload" | sign critical.sig
sed 's/"image":{/"image":{"docker-manifest-digest":"sha256:0","/; s/,""/,"/' "$tmp/payload" | sign twice.sig
sed 's/app:1.0/app@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a/' "$tmp/payload" | sign digest.sig
sed 's/app:1.0/App:1.0/' "$tmp/payload" | sign malformed.sig
{ cat "$tmp/payload"; echo '{}'; } | sign trailing.sig
head -c 40 "$tmp/payload" | sign cut.sig
{ printf '{"critical":'; head -c 3000 /dev/zero | tr '\0' '['; } | sign deep.sig
head -c 30000000 /dev/zero | gpg --batch --yes --quiet --local-user "$alice" --compress-algo zlib --output bomb.sig --sign
gpg --batch --yes --quiet --local-user "$alice" --output detached.sig --detach-sign "$tmp/payload"
gpg --batch --yes --quiet --local-user "$alice" --output clear.sig --clear-sign "$tmp/payload"
