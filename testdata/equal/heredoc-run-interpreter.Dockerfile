FROM registry.test/base
RUN <<EOF
#!/bin/sh -e
echo one
EOF
