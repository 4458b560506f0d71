FROM registry.test/base AS files
RUN echo > /file
FROM registry.test/base AS parent
ONBUILD COPY --from=files /file /
FROM parent
RUN echo one
#: refused trixie
