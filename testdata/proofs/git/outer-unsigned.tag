object e591b44642796fa1c32c4aad87cd0c4087455de1
type tag
tag outer
tagger Alice <alice@example.com> 1717200000 +0200

Release of a release
