FROM registry.test/base
RUN <<EOF
FROM nowhere
ADD http://files.test/nothing /
EOF
COPY <<Dockerfile /Dockerfile
FROM scratch
RUN --network=host true
Dockerfile
