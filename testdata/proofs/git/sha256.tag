object 85e6cf9a8cf942e844a9ba3584e44c84749c633891b1f371454e1a97ca4ac333
type commit
tag v1
tagger Alice <alice@example.com> 1717200000 +0200

First release
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+OaKAEAsmDjsUmijO3IaT/KVBkNltwDvTbsG7Sc
AZR3sFsCLmMA/RRvxzvIn7qAgDlyNNK2bQRihGWX1WDOa8uy/EJivSAI
=HFf9
-----END PGP SIGNATURE-----
