FROM registry.test/base
COPY --chmod=640 a.txt /1
COPY --chmod=0755 --chown=1 dir /2
