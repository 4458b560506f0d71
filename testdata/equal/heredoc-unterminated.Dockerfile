FROM registry.test/base
RUN <<EOF
echo one
#: refused
