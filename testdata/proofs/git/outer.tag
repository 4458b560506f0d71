object e591b44642796fa1c32c4aad87cd0c4087455de1
type tag
tag outer
tagger Alice <alice@example.com> 1717200000 +0200

Release of a release
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+MH2QEAjBT3iBGML73m4Sv/VR4EL0BVXtYQHKuz
mpTIwbER1sMA/084fVK8q13vObkp/QPq+OL1x3OUwACnXSEwSXDHvRwF
=ttyD
-----END PGP SIGNATURE-----
