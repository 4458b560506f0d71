ARG NAME=nothing
ARG TAG
FROM registry.test/$NAME:${TAG:-1}
ARG NAME
RUN echo "$NAME"
#: args --build-arg NAME=tools
