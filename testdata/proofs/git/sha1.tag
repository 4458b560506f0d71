object 84305e30fa9bd428ce48c8c2ef5753db0ab7fb4b
type commit
tag v1
tagger Alice <alice@example.com> 1717200000 +0200

First release
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+NXMAD/dwShZz8MVXUt7bDWZKFEtLrjvKb7KVTm
4oly44C5rcoBAOiHMHlP9uk399KxH8XgfwPKnYyiChfnxZZGejIezTUF
=8aQS
-----END PGP SIGNATURE-----
