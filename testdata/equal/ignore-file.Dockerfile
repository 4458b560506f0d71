FROM registry.test/base
COPY . /all
RUN --mount=target=/c ls /c
