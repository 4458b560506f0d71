FROM registry.test/base
ARG A=1
RUN <<EOF
set -e
echo "$A"
# no comment
echo 'two'
EOF
RUN echo after
