object ea307e6ce8ef2be29069406d03d12a11b9cae6a1
type tag
tag n8
tagger Alice <alice@example.com> 1717200000 +0200

Level 8
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+PhtAD/VoyQEmPMKAwFCfqZtgnDwe2QqmTs8bQ2
X8VtyF1c79sBAJBbIETz3savk6X7MaLEdfcJoNId4SEuIN2g9Nb2z2cH
=VnhM
-----END PGP SIGNATURE-----
