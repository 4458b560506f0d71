#!/bin/sh
# Makes the files in this folder with GnuPG 2.4 and 1.4, sq 1.3 and skopeo 1.18 (Debian 13: gnupg, gnupg1, sq, skopeo, python3-minimal). Secret keys
# are thrown away, so a new run makes new keys: cases.ndjson names them by the `FINGERPRINTS` that this prints.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'GNUPGHOME=$tmp/gpg gpgconf --kill all; rm -r "$tmp"' EXIT
export GNUPGHOME="$tmp/gpg" HOME="$tmp" LC_ALL=C
mkdir -m 700 "$GNUPGHOME" "$tmp/gpg1"

g() { # the moment, options
    when=$1
    shift
    gpg --batch --yes --quiet --no-tty --trust-model always --pinentry-mode loopback --passphrase '' \
        --faked-system-time "$when" --allow-weak-key-signatures "$@" 2>> "$tmp/log"
}
made=20240101T000000
sign=20240601T000000
late=20251201T000000

printf 'The quick release\n' > release.bin
printf 'The slow release!\n' > other.bin
printf 'one line\n- a dash\n-----BEGIN\n\nFrom here, blanks at the end  \n' > text.txt
sed 's/ *$//' text.txt > canonical.txt

for name in alice bob; do
    g $made --quick-gen-key "$name@example.com" ed25519 sign never
done
for curve in nistp256 nistp384 nistp521 brainpoolP256r1 rsa3072 rsa1024 dsa2048; do
    g $made --quick-gen-key "$curve@example.com" $curve sign never
done
g $made --quick-gen-key certify@example.com ed25519 cert never
certify=$(g $made --with-colons -k certify@example.com | awk -F: '/^fpr/ {print $10; exit}')
g $made --quick-add-key "$certify" rsa2048 sign 2y
g $made --quick-add-key "$certify" cv25519 encr never
g $made --quick-gen-key year@example.com ed25519 sign 1y
g $made --cert-digest-algo SHA1 --quick-gen-key newsha1@example.com rsa2048 sign never
g 20200101T000000 --cert-digest-algo SHA1 --quick-gen-key oldsha1@example.com rsa2048 sign never

for name in alice bob nistp256 nistp384 nistp521 brainpoolP256r1 rsa3072 rsa1024 dsa2048 certify year newsha1 oldsha1; do
    g $made --armor --export "$name@example.com" > "$name.asc"
    g $sign --local-user "$name@example.com" --output "$name.sig" --detach-sign release.bin
done
g $made --export alice@example.com > alice.gpg
g $made --export bob@example.com alice@example.com > ring.gpg
cat bob.asc alice.asc > ring.asc
cat alice.asc rsa1024.asc dsa2048.asc newsha1.asc brainpoolP256r1.asc > weak.asc
rm rsa1024.asc dsa2048.asc newsha1.asc brainpoolP256r1.asc
g $made --armor --export-secret-keys alice@example.com > private.asc

a() { # as alice: the moment, output, options
    when=$1 out=$2
    shift 2
    g "$when" --local-user alice@example.com --output "$out" "$@"
}
a $sign alice.sig.asc --armor --detach-sign release.bin
a $sign other.sig --detach-sign other.bin
a $sign sha384.sig --digest-algo SHA384 --detach-sign release.bin
a $sign sha256.sig --digest-algo SHA256 --detach-sign release.bin
a $sign text.sig --textmode --detach-sign text.txt
a $sign month.sig --default-sig-expire 30 --detach-sign release.bin
a 20270101T000000 future.sig --detach-sign release.bin
a $late late.sig --detach-sign release.bin
a 20231201T000000 early.sig --ignore-time-conflict --ignore-valid-from --detach-sign release.bin
a $sign notation.sig --sig-notation 'note@example.com=x' --detach-sign release.bin
a $sign critical.sig --sig-notation '!note@example.com=x' --detach-sign release.bin
a $sign policy.sig --sig-policy-url '!https://example.com/policy' --detach-sign release.bin
a $sign both.sig --local-user bob@example.com --detach-sign release.bin
a $sign clear.asc --clear-sign text.txt
a $sign both-clear.asc --local-user bob@example.com --clear-sign text.txt
a $sign inline.gpg --sign release.bin
a $sign inline.asc --armor --sign release.bin
a $sign plain.gpg --compress-algo none --sign release.bin
a $sign zlib.gpg --compress-algo zlib --sign release.bin
a $sign bzip2.gpg --compress-algo bzip2 --sign release.bin
a $sign inline-text.gpg --compress-algo none --textmode --sign text.txt
a $sign both.gpg --local-user bob@example.com --compress-algo none --sign release.bin
printf 'A line\r\n' > dos.txt
a $sign dos.sig --textmode --detach-sign dos.txt
head -c 20000000 /dev/zero > "$tmp/zeros"
a $sign bomb.gpg --sign "$tmp/zeros"
g $sign --local-user rsa3072@example.com --digest-algo SHA1 --output sha1-data.sig --detach-sign release.bin
year=$(g $made --with-colons -k year@example.com | awk -F: '/^fpr/ {print $10; exit}')
g $sign --quick-set-expire "$year" 3y
g $sign --armor --export year@example.com > year-extended.asc
g $late --local-user year@example.com --output year-late.sig --detach-sign release.bin
g 20251231T000000 --local-user certify@example.com --output certify-late.sig --detach-sign release.bin

# A key that says one thing directly (who else may revoke it) and another on its user id (until when it is valid).
bob=$(g $made --with-colons -k bob@example.com | awk -F: '/^fpr/ {print $10; exit}')
g $made --add-desig-revoker "$bob" --quick-gen-key guarded@example.com ed25519 sign 1y
g $made --export guarded@example.com > guarded.gpg
guarded=$(g $made --with-colons -k guarded@example.com | awk -F: '/^fpr/ {print $10; exit}')
printf 'y\n0\n\ny\n' | gpg --no-tty --quiet --command-fd 0 --status-fd 2 --pinentry-mode loopback --passphrase '' \
    --faked-system-time 20250701T000000 --local-user bob@example.com --output "$tmp/by-bob" \
    --desig-revoke guarded@example.com 2>> "$tmp/log"
gpg --dearmor < "$tmp/by-bob" > guarded-revoked.gpg
g $sign --quick-set-expire "$guarded" 3y
g $sign --export guarded@example.com > guarded-extended.gpg
g $late --local-user guarded@example.com --output guarded-late.sig --detach-sign release.bin

# Simple signing of an image, now: skopeo knows no other time.
echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' > "$tmp/manifest"
alice=$(g $made --with-colons -k alice@example.com | awk -F: '/^fpr/ {print $10; exit}')
skopeo standalone-sign "$tmp/manifest" registry.example.com/team/app:1.0 "$alice" --output image.sig 2>> "$tmp/log"
skopeo standalone-sign "$tmp/manifest" registry.example.com/team/other:1.0 "$alice" --output image-other.sig 2>> "$tmp/log"
a $sign image-unknown.sig --sign - << END
{"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},"image":{"docker-manifest-digest":"sha256:$(sha256sum "$tmp/manifest" | cut -d' ' -f1)"},"type":"atomic container signature","more":1}}
END
a $sign image-cosign.sig --sign - << END
{"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},"image":{"docker-manifest-digest":"sha256:$(sha256sum "$tmp/manifest" | cut -d' ' -f1)"},"type":"cosign container image signature"}}
END

# Versions of alice's key that she revoked in the middle of 2025, and of certify's signing subkey.
revoke() { # name, reason, output
    printf 'y\n%s\nsaid so\n\ny\n' "$2" | gpg --no-tty --quiet --command-fd 0 --status-fd 2 --pinentry-mode loopback --passphrase '' \
        --faked-system-time 20250701T000000 --armor --gen-revoke "$1@example.com" > "$tmp/revocation" 2>> "$tmp/log"
    cp -r "$GNUPGHOME" "$tmp/copy"
    GNUPGHOME="$tmp/copy" g 20250702T000000 --import "$tmp/revocation"
    GNUPGHOME="$tmp/copy" g 20250702T000000 --armor --export "$1@example.com" > "$3"
    GNUPGHOME="$tmp/copy" gpgconf --kill all
    rm -r "$tmp/copy"
}
revoke alice 0 no-reason.asc
revoke alice 1 compromised.asc
revoke alice 2 superseded.asc
revoke alice 3 retired.asc
subkey() { # reason, output
    cp -r "$GNUPGHOME" "$tmp/copy"
    printf 'key 1\nrevkey\ny\n%s\n\ny\nsave\n' "$1" | GNUPGHOME="$tmp/copy" gpg --no-tty --quiet --command-fd 0 --status-fd 2 --pinentry-mode loopback --passphrase '' \
        --faked-system-time 20250701T000000 --edit-key certify@example.com >> "$tmp/log" 2>&1
    GNUPGHOME="$tmp/copy" g 20250702T000000 --armor --export certify@example.com > "$2"
    GNUPGHOME="$tmp/copy" gpgconf --kill all
    rm -r "$tmp/copy"
}
subkey 1 subkey-compromised.asc
subkey 3 subkey-retired.asc
g $made --export certify@example.com > certify.gpg

# What only GnuPG 1 still makes: version 3 signatures, MD5.
g $made --export-secret-keys rsa3072@example.com > "$tmp/rsa"
g1() { # it knows no time but now
    gpg1 --homedir "$tmp/gpg1" --batch --yes --quiet --no-tty --trust-model always "$@" 2>> "$tmp/log"
}
g1 --import "$tmp/rsa"
g1 --force-v3-sigs --digest-algo SHA256 --output v3.sig --detach-sign release.bin
g1 --digest-algo MD5 --output md5.sig --detach-sign release.bin
g1 --digest-algo RIPEMD160 --output ripemd160.sig --detach-sign release.bin

# Version 6, and keys as Sequoia makes them.
s() { # the moment, arguments
    when=$1
    shift
    sq --time "$when" --home none --overwrite "$@" 2>> "$tmp/log"
}
for version in 4 6; do
    case $version in 4) profile=rfc4880 ;; 6) profile=rfc9580 ;; esac
    s 2024-01-01T00:00:00Z key generate --own-key --profile $profile --userid "Carol $version" --without-password \
        --expiration never --output "$tmp/v$version" --rev-cert "$tmp/v$version.rev"
    s 2024-01-01T00:00:00Z key delete --cert-file "$tmp/v$version" --output "v$version.asc"
    s 2024-06-01T00:00:00Z sign --signer-file "$tmp/v$version" --signature-file "v$version.sig.asc" release.bin
done
s 2024-06-01T00:00:00Z sign --signer-file "$tmp/v6" --cleartext --output v6-clear.asc text.txt
s 2024-06-01T00:00:00Z sign --signer-file "$tmp/v6" --message --output v6-inline.asc release.bin
s 2024-06-01T00:00:00Z sign --signer-file "$tmp/v6" --binary --signature-file v6.sig release.bin
s 2025-07-01T00:00:00Z key revoke --cert-file "$tmp/v6" --revoker-file "$tmp/v6" --reason compromised \
    --message 'said so' --output "$tmp/v6-revoked"
s 2025-07-01T00:00:00Z keyring merge v6.asc "$tmp/v6-revoked" --output v6-compromised.asc

# Compressed twice; a key by which someone else takes over certify's signing subkey cannot be made without its secret.
python3 - <<'PY'
import zlib
inner = open("plain.gpg", "rb").read()
def packed(data):
    body = b"\x01" + zlib.compress(data, 9)[2:-4]
    return b"\xc8\xff" + len(body).to_bytes(4, "big") + body
open("nested.gpg", "wb").write(packed(packed(inner)))
PY

echo FINGERPRINTS
for f in *.asc *.gpg; do
    gpg --with-colons --show-keys "$f" 2> /dev/null | awk -F: -v f="$f" '/^pub/ {p=1} /^fpr/ && p {print f, $10; p=0}'
done
sq inspect v6.asc | awk '/Fingerprint/ && !seen++ {print $2}'
