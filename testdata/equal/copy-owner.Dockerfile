FROM registry.test/base
COPY --chown=1000 a.txt /1
COPY --chown=1000:2000 a.txt /2
COPY --chown=nobody:nogroup a.txt /3
ARG O=3:4
COPY --chown=$O a.txt /4
