#!/bin/sh
# Makes the proofs of these examples again: make.sh COSIGN2 COSIGN3 REGISTRY FOLDER
#
# COSIGN2 and COSIGN3 are cosign 2.5 and 3.1 from Debian's archive (trixie and forky), REGISTRY is HOST:PORT of a registry
# without password, FOLDER is where the answers go. No transparency log is used, and the private keys are thrown away.
# Then, in the folder of the project: VERIFIED_EXAMPLES=FOLDER cargo test --test examples -- --ignored
set -eu
cosign2=$1 cosign3=$2 registry=$3
mkdir -p "$4"
out=$(cd "$4" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export COSIGN_PASSWORD= HOME="$work"
cd "$work"
manifest_type=application/vnd.oci.image.manifest.v1+json

put() { # FILE REPOSITORY -> pushes a blob, prints its digest
    digest=sha256:$(sha256sum "$1" | cut -d' ' -f1)
    location=$(curl -sS -i -X POST "http://$registry/v2/$2/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    case $location in /*) location=http://$registry$location ;; esac
    curl -sS -f -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$location&digest=$digest"
    echo "$digest"
}
image() { # REPOSITORY -> pushes an image without layers, prints its digest: a signature does not look into an image
    printf '{"architecture":"amd64","os":"linux","author":"%s","rootfs":{"type":"layers","diff_ids":[]}}' "$1" >config
    config=$(put config "$1")
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[]}' \
        "$manifest_type" "$config" "$(wc -c <config)" >manifest
    digest=sha256:$(sha256sum manifest | cut -d' ' -f1)
    curl -sS -f -X PUT -H "Content-Type: $manifest_type" --data-binary @manifest "http://$registry/v2/$1/manifests/$digest"
    echo "$digest"
}
fetch() { curl -sS -f -H "Accept: $manifest_type" -H 'Accept: application/vnd.oci.image.index.v1+json' -H 'Accept: */*' "http://$registry/v2/$1"; }
layer() { grep -o '"layers":.*' "$1" | grep -o 'sha256:[0-9a-f]*' | head -1; }

for key in base vendor; do
    "$cosign3" generate-key-pair --output-key-prefix $key >/dev/null 2>&1
    cp $key.pub "$here/signed/keys/$key.pub"
done

# Signatures of an earlier run are in other repositories: keys are new in each.
run=examples-$(date +%s)
# The older format names the repository that the example fetches from.
older() { # NAME REPOSITORY KEY
    at=$run/$2
    digest=$(image "$at")
    echo "$digest" >"$out/$1.digest"
    "$cosign2" sign --key "$3.key" --allow-insecure-registry --yes --tlog-upload=false \
        --sign-container-identity "registry.example.com/$2" "$registry/$at@$digest"
    fetch "$at/manifests/$(echo "$digest" | tr : -).sig" >"$out/$1.manifest.json"
    fetch "$at/blobs/$(layer "$out/$1.manifest.json")" >"$out/$1.payload.json"
}
# The Sigstore bundle, as a referrer; a registry without the referrers API keeps it under the fallback tag sha256-HEX.
bundle() { # NAME REPOSITORY KEY
    at=$run/$2
    digest=$(image "$at")
    echo "$digest" >"$out/$1.digest"
    "$cosign3" sign --key "$3.key" --allow-insecure-registry --yes --tlog-upload=false --use-signing-config=false \
        "$registry/$at@$digest"
    fetch "$at/manifests/$(echo "$digest" | tr : -)" >index.json
    fetch "$at/manifests/$(grep -o 'sha256:[0-9a-f]*' index.json | head -1)" >manifest.json
    fetch "$at/blobs/$(layer manifest.json)" >"$out/$1.bundle.json"
}
older go base/go base
bundle os base/os base
older certificates base/certificates base
bundle linter vendor/linter vendor

# What is accepted by digest alone needs no proof.
image "$run/mirror/postgres" >"$out/postgres.digest"
git init -q schema
git -C schema -c user.name=team -c user.email=team@example.com commit -q --allow-empty -m 'Version 3'
git -C schema rev-parse HEAD >"$out/schema.commit"
