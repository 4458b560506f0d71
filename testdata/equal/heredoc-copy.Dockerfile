FROM registry.test/base
ARG NAME=value
COPY <<EOF /text
name is $NAME ${NAME:-x} \$literal
EOF
COPY <<"EOF" /literal
name is $NAME
EOF
