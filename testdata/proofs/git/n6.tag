object ce146cb092e7db7ef82bb1632b15287d59c076aa
type tag
tag n6
tagger Alice <alice@example.com> 1717200000 +0200

Level 6
-----BEGIN PGP SIGNATURE-----

iIgEABYKADAWIQSelJnEHpnpFScA73SuWDCCjBWD4wUCZlpkgBIcYWxpY2VAZXhh
bXBsZS5jb20ACgkQrlgwgowVg+Pq/wD+Nua6jj1kMRQMimAUc02omOWHqgMDnFT4
XNXy5WFHQKwBAJ9hDpWhqSewONUaegUeRT0m/3rn3TCTI6pg7LqtgAsO
=x+7L
-----END PGP SIGNATURE-----
