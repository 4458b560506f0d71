object 84305e30fa9bd428ce48c8c2ef5753db0ab7fb4b
type commit
tag v1
tagger Alice <alice@example.com> 1717200000 +0200

First release
