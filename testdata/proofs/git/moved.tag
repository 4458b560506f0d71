object bc27b600c0ccffab25240610d381d0c6637e6172
type commit
tag v1
tagger Alice <alice@example.com> 1717200000 +0200

First release
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+MlwgEAvl6dn+lwqQG3r2G4CQ9oBLeHDo0e3Kog
3IIruzIImUIA/RcJO9yna0T4XF+93YZORTwTnJMlfQOGDro0BWC6etcP
=sj8M
-----END PGP SIGNATURE-----
