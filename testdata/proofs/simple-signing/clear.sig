-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

{"critical":{"identity":{"docker-reference":"registry.example.com/team/app:1.0"},"image":{"docker-manifest-digest":"sha256:f20c43161d73848408ef247f0ec7111b19fe58ffebc0cbcaa0d2c8bda4967268"},"type":"atomic container signature"},"optional":{"creator":"atomic 5.23.1","timestamp":1795370538}}
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQQjNOFIsHi6fR+izvVI2wSGuE1N9AUCawMuLAAKCRBI2wSGuE1N
9BIKAP9WMHgHZanxn00WyS9MXQ97G3iPC0LLgx24tBdUyLZthQEAhuln7g4DJfte
m6zpGdYlhrmvvQhj1urp+sNgH4nnvw4=
=rikK
-----END PGP SIGNATURE-----
