object 84305e30fa9bd428ce48c8c2ef5753db0ab7fb4b
type commit
tag v1
tagger Alice <alice@example.com> 1717200000 +0200

First release
-----BEGIN PGP SIGNATURE-----

iIYEABYKAC4WIQThbXNYn7xFA76dCGb4YnUWe/xQ3QUCZlpkgBAcYm9iQGV4YW1w
bGUuY29tAAoJEPhidRZ7/FDdoj0BAMp5rS3e1SNXwSoQAUBtNlzoscSGEOaBp2lU
htCoY76IAP9Okptg4a0AaoN88Tvp4YPpKVo5ubDJuxkgduWmO8EeDQ==
=kKi8
-----END PGP SIGNATURE-----
