object 578eef52df12eb383e161f315bd3bc731b690075
type tag
tag n2
tagger Alice <alice@example.com> 1717200000 +0200

Level 2
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+PugwD/X8moUf83oyVx/gCBuTnFyM4FClL6u2tb
613lnRvj+k0A/2tCe1skmzIJ3VI0+F/wd2q69VYqFGnyuUIk0aW+U7oI
=MxtZ
-----END PGP SIGNATURE-----
