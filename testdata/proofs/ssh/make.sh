#!/bin/sh
# Makes the files in this folder with ssh-keygen itself (OpenSSH 9.2). Secret keys are thrown away, so a new run makes new public
# keys: then put their fingerprints into the `verified` members of cases.ndjson.
#
# The signatures of security keys are computed by sk.py from ordinary keys, as PROTOCOL.u2f says, since there is no such key at
# hand; ssh-keygen verifies them below, like all others.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT

for name in ed25519:'-t ed25519' other:'-t ed25519' p256:'-t ecdsa -b 256' p384:'-t ecdsa -b 384' p521:'-t ecdsa -b 521' \
    rsa:'-t rsa -b 2048' rsa1024:'-t rsa -b 1024' rsa8192:'-t rsa -b 8192' dsa:'-t dsa'; do
    file=${name%%:*}
    # shellcheck disable=SC2086
    ssh-keygen -q ${name#*:} -N '' -C "$file@example.com" -f "$tmp/$file"
    cp "$tmp/$file.pub" "$file.pub"
done

printf 'The quick release\n' > release.bin
printf 'The slow release!\n' > other.bin
sign() { # key, namespace, hash, file, signature
    ssh-keygen -q -Y sign -f "$tmp/$1" -n "$2" -O "hashalg=$3" < "$4" > "$5" 2> "$tmp/log" || { cat "$tmp/log"; exit 1; }
}
for name in ed25519 p256 p384 p521 rsa; do
    sign $name file sha512 release.bin $name.sig
done
sign ed25519 file sha256 release.bin sha256.sig
sign rsa file sha256 release.bin rsa-sha256.sig
sign ed25519 file sha512 other.bin other-file.sig
sign ed25519 git sha512 release.bin git.sig
sign ed25519 files sha512 release.bin files.sig
sign other file sha512 release.bin other-key.sig
sign rsa1024 file sha512 release.bin rsa1024.sig
sign dsa file sha512 release.bin dsa.sig
sign rsa8192 file sha512 release.bin rsa8192.sig

# A certificate: a key that another key vouches for.
cp "$tmp/ed25519" "$tmp/certified"
cp "$tmp/ed25519.pub" "$tmp/certified.pub"
ssh-keygen -q -s "$tmp/other" -I id -n alice "$tmp/certified.pub"
cp "$tmp/certified-cert.pub" certificate.pub
sign certified-cert.pub file sha512 release.bin certificate.sig

# Allowed signers.
k=$(cut -d' ' -f1,2 ed25519.pub) o=$(cut -d' ' -f1,2 other.pub)
printf '# who may sign\n\nbob@example.com %s\nalice@example.com,*@release.example.com %s alice\n' "$o" "$k" > allowed_signers
printf 'alice@example.com namespaces="file,git",valid-after="20260101Z",valid-before="202701010000Z" %s\n' "$k" > dated_signers

for s in ed25519 p256 p384 p521 rsa sha256 rsa-sha256; do
    case $s in sha256) k=ed25519 ;; rsa-sha256) k=rsa ;; *) k=$s ;; esac
    printf 'x %s\n' "$(cat $k.pub)" > "$tmp/allowed"
    ssh-keygen -q -Y verify -f "$tmp/allowed" -I x -n file -s $s.sig < release.bin
done
python3 sk.py "$tmp"
for s in sk-ed25519 sk-p256; do
    printf 'x %s\n' "$(cat $s.pub)" > "$tmp/allowed"
    ssh-keygen -q -Y verify -f "$tmp/allowed" -I x -n file -s $s.sig < release.bin
done
