FROM registry.test/base
COPY --link <<EOF /etc/file
text
EOF
