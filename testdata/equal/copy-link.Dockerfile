FROM registry.test/base AS one
RUN echo > /file
FROM registry.test/base
COPY --link a.txt /
COPY --link --from=one --chown=1:1 /file /linked/
WORKDIR /x
COPY --link a.txt .
