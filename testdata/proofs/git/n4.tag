object 78cfae00e3239a09ec53c4ebdb6e473831e3dd19
type tag
tag n4
tagger Alice <alice@example.com> 1717200000 +0200

Level 4
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+OVBAD+MvzD3pzHnggG+W5sigTNNw6yC/pCdVC0
t6hRPt/8S+MBAIkxU7lUy06Y4ZNvrYvgkNugq1Jl1f3ipkCitHoBFvYK
=pe4d
-----END PGP SIGNATURE-----
