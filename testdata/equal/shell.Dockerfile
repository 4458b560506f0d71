FROM registry.test/base
SHELL ["/bin/sh", "-e", "-c"]
RUN echo one
RUN <<EOF
echo two
EOF
CMD echo
FROM registry.test/base
RUN echo three
