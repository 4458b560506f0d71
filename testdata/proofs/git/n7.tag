object af4817e4040d2e6284b34007dfe159cb04e5fd8c
type tag
tag n7
tagger Alice <alice@example.com> 1717200000 +0200

Level 7
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+ORrAEA9YwHblJ9tbgfXKzji2agjmmTo5JpiW+0
SpDcihDUBuoBALnk56J819+tJLMaMkTrY2qg/M0VR7eHYob9NGYqSakC
=anDP
-----END PGP SIGNATURE-----
