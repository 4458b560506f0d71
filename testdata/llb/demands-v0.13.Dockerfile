FROM alpine:3.20@sha256:54c5b3dd459d5ef778bb2fa1e23a5fb0e1b62ae66970bcb436e8f81a1a1a8e41
RUN --network=none --mount=type=cache,target=/c,id=i,sharing=locked,uid=3 --mount=type=ssh,id=k make
RUN --network=host make
RUN make
