FROM registry.test/base
COPY << EOF /text
spaced
EOF
#: refused trixie
