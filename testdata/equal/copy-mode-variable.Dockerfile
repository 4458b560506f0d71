FROM registry.test/base
ARG M=600
COPY --chmod=$M a.txt /1
