#!/bin/bash
# Makes the files in this folder: make.sh NOTATION, with the program notation (2.0.0-alpha.1) and openssl 3.0.
#
# notation signs the image and the file and gets its timestamp from an authority on loopback (tsa.py). It refuses to sign what is
# wrong, and its command line knows no signing authorities, so that sign.py makes those envelopes by the specification; the good one of them
# is verified by notation here. Secret keys are thrown away.
set -euo pipefail
notation=$1
cd "$(dirname "$0")"
out=$PWD
tmp=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -r "$tmp"' EXIT
cd "$tmp"

cat > openssl.cnf << 'CONFIG'
[ca]
default_ca = any
[any]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
unique_subject = no
[policy]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[middle]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
[no-pathlen]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
[loose-ca]
basicConstraints = CA:TRUE
keyUsage = critical,keyCertSign
[no-ca]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyCertSign
[no-sign-ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,cRLSign
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
[plain]
keyUsage = critical,digitalSignature
[no-usage]
extendedKeyUsage = codeSigning
[loose-usage]
keyUsage = digitalSignature
[other-usage]
keyUsage = critical,digitalSignature,keyEncipherment
[no-signature]
keyUsage = critical,nonRepudiation
[tls]
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning,serverAuth
[any-trade]
keyUsage = critical,digitalSignature
extendedKeyUsage = anyExtendedKeyUsage
[leaf-ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,digitalSignature
[critical]
keyUsage = critical,digitalSignature
1.2.3.4.5 = critical,ASN1:NULL
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[loose-tsa]
keyUsage = critical,digitalSignature
extendedKeyUsage = timeStamping
CONFIG
: > index
echo 1000 > serial

key() { # NAME KIND
    case $2 in
        rsa*) openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa}" -out "$1.key" 2> /dev/null || openssl genrsa -out "$1.key" "${2#rsa}" 2> /dev/null ;;
        *) openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1.key" 2> /dev/null ;;
    esac
}
cert() { # NAME KEY ISSUER(or -) EXTENSIONS START END SUBJECT [HASH]
    openssl req -new -key "$2.key" -subj "$7" -out req.csr -config /dev/null 2> /dev/null
    by=(-cert "$3.crt" -keyfile "$(cat "$3.by" 2> /dev/null || echo "$3").key")
    [ "$3" != - ] || by=(-selfsign -keyfile "$2.key")
    openssl ca -batch -notext -config openssl.cnf -in req.csr -out "$1.crt" -extfile openssl.cnf -extensions "$4" \
        -startdate "$5" -enddate "$6" -md "${8:-sha256}" "${by[@]}" 2> log || { cat log; exit 1; }
    echo "$2" > "$1.by"
}
from=20260101000000Z until=20270101000000Z late=20460101000000Z
base=/C=DE/ST=Berlin/O=example.com

key root P-384; cert root root - root $from $late $base/CN=root
key other-root P-256; cert other-root other-root - root $from $late $base/CN=root
key middle rsa2048; cert middle middle root middle $from $late $base/CN=middle
key alice P-256
who=$base/OU=releases/CN=alice
cert alice alice root leaf $from $until $who
cert alice-middle alice middle leaf $from $until $who
for kind in P-384 P-521 rsa2048 rsa3072 rsa4096; do
    key $kind $kind; cert $kind $kind root plain $from $until $who
done
key alone P-256; cert alone alone - plain $from $until $base/CN=alone
key bob P-256; cert bob bob root leaf $from $until $base/OU=releases/CN=bob

# The same key with certificates that must not do.
cert other-alice alice other-root leaf $from $until $who
cert expired alice root leaf 20250101000000Z 20260101000000Z $who
cert future alice root leaf 20270101000000Z 20280101000000Z $who
for bad in no-usage loose-usage other-usage no-signature tls any-trade leaf-ca critical; do
    cert $bad alice root $bad $from $until $who
done
cert sha1 alice root leaf $from $until $who sha1
cert two-units alice root leaf $from $until $base/OU=releases/OU=more/CN=alice
for bad in loose-ca no-ca no-sign-ca; do
    key $bad P-256; cert $bad $bad root $bad $from $late "$base/CN=$bad"; cert alice-$bad alice $bad leaf $from $until $who
done
key below P-256; cert below below middle root $from $late $base/CN=below; cert alice-below alice below leaf $from $until $who
key old-middle P-256; cert old-middle old-middle root middle 20250101000000Z 20260201000000Z $base/CN=old; cert alice-old alice old-middle leaf $from $until $who
key rsa1024 rsa1024; cert rsa1024 rsa1024 root plain $from $until $who
key rsa2560 rsa2560; cert rsa2560 rsa2560 root plain $from $until $who
openssl genpkey -algorithm ed25519 -out ed25519.key; cert ed25519 ed25519 root plain $from $until $who

# Time stamp authorities.
key tsa-root rsa2048; cert tsa-root tsa-root - root $from $late $base/CN=time
key tsa rsa2048; cert tsa tsa tsa-root tsa $from $late $base/CN=tsa
key tsa-ec P-256; cert tsa-ec tsa-ec tsa-root tsa $from $late $base/CN=tsa-ec
cert tsa-loose tsa tsa-root loose-tsa $from $late $base/CN=tsa-loose
cert tsa-code tsa tsa-root leaf $from $late $base/CN=tsa-code
cert tsa-expired tsa tsa-root tsa 20250101000000Z 20260201000000Z $base/CN=tsa-expired

printf 'The quick release\n' > release.bin
printf 'The slow release!\n' > other.bin

# notation signs what is well.
export XDG_CONFIG_HOME=$tmp/xdg XDG_CACHE_HOME=$tmp/cache NOTATION_EXPERIMENTAL=1
mkdir -p "$tmp/xdg/notation"
keys=
for name in alice P-384 P-521 rsa2048 rsa3072 rsa4096 bob alice-middle alone; do
    case $name in
        alice-middle) cat alice-middle.crt middle.crt root.crt > $name.chain; file=alice ;;
        alone) cp alone.crt alone.chain; file=alone ;;
        *) cat $name.crt root.crt > $name.chain; file=$name ;;
    esac
    keys="$keys{\"name\":\"$name\",\"keyPath\":\"$tmp/$file.key\",\"certPath\":\"$tmp/$name.chain\"},"
done
echo "{\"default\":\"alice\",\"keys\":[${keys%,}]}" > "$tmp/xdg/notation/signingkeys.json"

blob() { # KEY FORMAT FILE OUT [OPTIONS]
    key=$1 format=$2 file=$3 result=$4
    shift 4
    mkdir -p made
    "$notation" blob sign --force --key "$key" --signature-format "$format" --signature-directory made "$@" "$file" > log 2>&1 || { cat log; exit 1; }
    mv "made/$(basename "$file").$format.sig" "$result"
}
for format in jws cose; do
    blob alice $format release.bin release.$format
    blob alice $format other.bin other-file.$format
    blob bob $format release.bin bob.$format
    blob alice $format release.bin expiring.$format --expiry 24h --user-metadata build=7
    for name in P-384 P-521 rsa2048 rsa3072 rsa4096 alice-middle; do
        [ $format$name = coseP-384 ] || [ $format = jws ] || [ $name = P-521 ] || [ $name = rsa2048 ] || continue
        blob $name $format release.bin $name.$format
    done
done
blob alone jws release.bin alone.jws

# An image in a layout; its signature is the one layer of a manifest that refers to it.
mkdir -p layout/blobs/sha256
put() { d=$(sha256sum "$1" | cut -d' ' -f1); cp "$1" "layout/blobs/sha256/$d"; echo "$d"; }
echo '{"imageLayoutVersion":"1.0.0"}' > layout/oci-layout
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' > config.json
config=$(put config.json)
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[]}' \
    "$config" "$(wc -c < config.json)" > manifest.json
image=$(put manifest.json)
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}' \
    "$image" "$(wc -c < manifest.json)" > layout/index.json
for format in jws cose; do
    "$notation" sign --oci-layout --key alice --signature-format $format "$tmp/layout@sha256:$image" > log 2>&1 || { cat log; exit 1; }
    case $format in jws) type=application/jose+json ;; *) type=application/cose ;; esac
    layer=$(python3 - "$type" << 'PY'
import json, pathlib, sys
for path in pathlib.Path("layout/blobs/sha256").iterdir():
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError:
        continue
    for layer in manifest.get("layers", []):
        if layer["mediaType"] == sys.argv[1]:
            print(layer["digest"].split(":")[1])
PY
    )
    cp "layout/blobs/sha256/$layer" image.$format
done
cp manifest.json image.json

# Timestamps.
stamp() { # NAME TSA
    cat "$2.crt" > tsa.pem
    python3 "$out/tsa.py" "$tmp" "$2" "$(cat "$2.by").key" &
    server=$!
    sleep 1
    blob alice "${3:-jws}" release.bin "$1" --timestamp-url http://127.0.0.1:5078/ --timestamp-root-cert "$tmp/tsa-root.crt"
    kill $server
    wait $server 2> /dev/null || true
}
stamp stamped.jws tsa
stamp stamped.cose tsa-ec cose
# Others, over the signature that notation made, for the case to put into its envelope. openssl ts does not stamp with a certificate of another
# trade; openssl cms does.
for name in tsa tsa-expired; do
    python3 "$out/tsa.py" "$tmp" $name tsa.key release.jws $name.token
done
python3 "$out/tsa.py" "$tmp" tsa tsa.key release.jws sha1.token sha1
python3 "$out/tsa.py" "$tmp" tsa tsa.key release.jws sha512.token sha512
python3 "$out/tsa.py" "$tmp" tsa tsa.key other-file.jws other.token
openssl cms -verify -noverify -binary -inform DER -in tsa.token -out tst 2> /dev/null
again() { # NAME CERTIFICATE [OPTIONS]
    result=$1 by=$2
    shift 2
    openssl cms -sign -nodetach -binary -econtent_type 1.2.840.113549.1.9.16.1.4 -signer "$by.crt" -inkey tsa.key -certfile tsa-root.crt \
        -in tst -outform DER -out "$result" "$@"
}
again again.token tsa -cades -md sha256
again loose.token tsa-loose -cades -md sha256
again code.token tsa-code -cades -md sha256
again unnamed.token tsa -md sha256
again weak.token tsa -cades -md sha1
openssl cms -sign -nodetach -binary -cades -signer tsa.crt -inkey tsa.key -in tst -outform DER -out data.token -md sha256

python3 "$out/sign.py" "$tmp"

# A signing authority, as notation sees it.
cp alice.crt root.crt "$tmp/xdg/notation/"
mkdir -p "$tmp/xdg/notation/truststore/x509/signingAuthority/example"
cp root.crt "$tmp/xdg/notation/truststore/x509/signingAuthority/example/"
cat > "$tmp/xdg/notation/trustpolicy.blob.json" << 'POLICY'
{"version":"1.0","trustPolicies":[{"name":"any","signatureVerification":{"level":"strict"},"trustStores":["signingAuthority:example"],
"trustedIdentities":["x509.subject: C=DE, ST=Berlin, O=example.com, OU=releases"],"globalPolicy":true}]}
POLICY
for format in jws cose; do
    cp authority.$format release.bin.$format.sig
    "$notation" blob verify --signature release.bin.$format.sig --policy-name any release.bin || exit 1
done

cp -- *.jws *.cose *.token release.bin other.bin image.json "$out/"
cat root.crt > "$out/root.pem"
cat other-root.crt > "$out/other-root.pem"
cat tsa-root.crt > "$out/tsa-root.pem"
for name in alice bob alone middle other-root other-alice expired future no-usage loose-usage other-usage no-signature tls any-trade leaf-ca critical sha1 two-units \
    loose-ca no-ca no-sign-ca alice-loose-ca alice-no-ca alice-no-sign-ca below alice-below old-middle alice-old alice-middle rsa1024 rsa2560 ed25519 root; do
    cp $name.crt "$out/$name.crt"
done
