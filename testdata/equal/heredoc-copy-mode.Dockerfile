FROM registry.test/base
COPY --chmod=755 --chown=1:2 <<script /bin/script
#!/bin/sh
echo hello
script
ADD <<EOF /added
added
EOF
