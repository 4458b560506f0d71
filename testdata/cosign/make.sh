#!/bin/sh
# Makes the vectors of this folder again: make.sh COSIGN2 COSIGN3 REGISTRY
#
# COSIGN2 and COSIGN3 are cosign 2.5 and 3.1, REGISTRY is docker-registry (distribution 2.8), all from
# Debian's archive (trixie and forky). Nothing leaves the machine: the registry listens on loopback, no transparency
# log is used, and the private keys are thrown away. Every file here is an output of these tools.
set -eu
cosign2=$1 cosign3=$2 registry=$3
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
port=5077
repo=localhost:$port/team/app
cat >"$work/registry.yml" <<CONFIG
version: 0.1
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:$port"}
log: {level: error}
CONFIG
"$registry" serve "$work/registry.yml" >/dev/null 2>&1 &
pid=$!
trap 'kill $pid; rm -rf "$work"' EXIT
sleep 1
export COSIGN_PASSWORD= HOME="$work"
cd "$work"

# An image is a config, a layer and a manifest; what is in them does not matter to a signature.
put() { # FILE -> pushes a blob, prints its digest
    digest=sha256:$(sha256sum "$1" | cut -d' ' -f1)
    location=$(curl -sS -i -X POST "http://$2/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    curl -sS -f -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$location&digest=$digest"
    echo "$digest"
}
image() { # NAME -> pushes an image of that name, prints its digest
    api=localhost:$port/v2/team/app
    printf '{"architecture":"amd64","os":"linux","author":"%s","rootfs":{"type":"layers","diff_ids":[]}}' "$1" >config
    config=$(put config "$api")
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[]}' \
        "$config" "$(wc -c <config)" >manifest
    curl -sS -f -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @manifest "http://$api/manifests/$1"
    echo "sha256:$(sha256sum manifest | cut -d' ' -f1)"
}
fetch() { curl -sS -f -H "Accept: application/vnd.oci.image.manifest.v1+json" -H "Accept: application/vnd.oci.image.index.v1+json" -H "Accept: */*" "http://localhost:$port/v2/team/app/$1"; }

openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out p256.pem
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out other.pem
openssl ecparam -name secp384r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out p384.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem
openssl genpkey -algorithm ED25519 -out ed25519.pem
for key in p256 other p384 rsa ed25519; do
    "$cosign3" import-key-pair --yes --key $key.pem --output-key-prefix $key >/dev/null 2>&1
    cp $key.pub "$out/$key.pub"
done
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 | openssl pkey -pubout -out "$out/rsa1024.pub"
openssl ecparam -name secp521r1 -genkey -noout | openssl ec -pubout -out "$out/p521.pub" 2>/dev/null

for key in p256 p384 rsa ed25519; do
    for version in 2 3; do
        eval cosign=\$cosign$version
        digest=$(image "$key-$version")
        tag=$(echo "$digest" | tr : -)
        name=$out/$key-cosign$version
        common="--key $key.key --allow-insecure-registry --yes"
        echo "$digest" >"$name.digest"

        # The older format: a manifest under the tag sha256-HEX.sig, one layer a signature.
        "$cosign" sign $common --tlog-upload=false \
            $([ $version = 3 ] && echo "--new-bundle-format=false --use-signing-config=false") "$repo@$digest"
        fetch "manifests/$tag.sig" >"$name.sig.manifest.json"
        layer=$(grep -o '"layers":.*' "$name.sig.manifest.json" | grep -o 'sha256:[0-9a-f]*' | head -1)
        fetch "blobs/$layer" >"$name.sig.payload.json"

        # The Sigstore bundle, as a referrer; this registry has no referrers API, so under the fallback tag sha256-HEX.
        [ $version = 3 ] || continue
        "$cosign" sign $common --tlog-upload=false --use-signing-config=false "$repo@$digest"
        fetch "manifests/$tag" >"$name.referrers.json"
        referrer=$(grep -o 'sha256:[0-9a-f]*' "$name.referrers.json" | head -1)
        fetch "manifests/$referrer" >"$name.bundle.manifest.json"
        bundle=$(grep -o '"layers":.*' "$name.bundle.manifest.json" | grep -o 'sha256:[0-9a-f]*' | head -1)
        fetch "blobs/$bundle" >"$name.bundle.json"
    done
done

# A mirror: the signature names the publisher's repository, not the one it is kept in.
digest=$(image mirrored)
echo "$digest" >"$out/mirrored.digest"
"$cosign2" sign --key p256.key --allow-insecure-registry --yes --tlog-upload=false \
    --sign-container-identity registry.example.com/publisher/app "$repo@$digest"
fetch "manifests/$(echo "$digest" | tr : -).sig" >"$out/mirrored.sig.manifest.json"
layer=$(grep -o '"layers":.*' "$out/mirrored.sig.manifest.json" | grep -o 'sha256:[0-9a-f]*' | head -1)
fetch "blobs/$layer" >"$out/mirrored.sig.payload.json"

# A message signature over bytes: the bundle of `cosign sign-blob`.
for key in p256 p384 rsa ed25519; do
    printf 'message signed by %s\n' $key >"$out/$key.blob"
    "$cosign3" sign-blob --key $key.key --yes --tlog-upload=false --use-signing-config=false \
        --bundle "$out/$key.blob.bundle.json" "$out/$key.blob" >/dev/null
done
