FROM registry.test/base
RUN id
USER 1000
RUN id
USER 1000:2000
COPY a.txt /tmp/
USER nobody:nogroup
WORKDIR /new
