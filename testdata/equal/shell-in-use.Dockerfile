FROM registry.test/base AS one
SHELL ["/bin/busybox", "sh", "-c"]
FROM one
RUN echo inherited
ENTRYPOINT echo entry
