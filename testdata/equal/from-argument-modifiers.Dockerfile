ARG NAME=base-and-more
ARG OTHER=xbase
FROM registry.test/${NAME%%-*} AS one
RUN echo 1 > /1
FROM registry.test/${OTHER#x}
COPY --from=one /1 /
