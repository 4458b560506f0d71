#!/bin/sh
# Makes the files of this folder anew: a Sigstore instance of our own and bundles of it (make.py), since the public one signs nothing on demand.
# Needs python3 with `cryptography`, openssl, faketime, and cosign 3 as $COSIGN, by which the good ones are verified, too: so that what our
# verifier accepts is what the real tool accepts.
set -eu
cd "$(dirname "$0")"
cosign=${COSIGN:-cosign}
rm -f ./*.json ./*.bin ./*.pub
python3 make.py

who="--certificate-oidc-issuer=https://token.example.com --certificate-identity=https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3"
for name in file file-0.2 file-0.1 file-timestamp file-rekor2 file-p384 file-rsa; do
	# shellcheck disable=SC2086
	"$cosign" verify-blob --bundle "$name.json" --trusted-root root.json $who release.bin
done
"$cosign" verify-blob --bundle keyed.json --trusted-root root.json --key key.pub release.bin
for name in provenance:slsaprovenance1 provenance-0.2:slsaprovenance02; do
	# shellcheck disable=SC2086
	"$cosign" verify-blob-attestation --bundle "${name%:*}.json" --trusted-root root.json $who --type "${name#*:}" release.bin
done
# One that must not verify, to see that the others did for a reason.
# shellcheck disable=SC2086
if "$cosign" verify-blob --bundle bad-sct-other-log.json --trusted-root root.json $who release.bin; then exit 1; fi
