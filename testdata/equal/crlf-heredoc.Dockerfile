FROM registry.test/base
RUN <<EOF
echo one
EOF
COPY <<A <<"B" /x/
$HOME
A
$HOME
B
