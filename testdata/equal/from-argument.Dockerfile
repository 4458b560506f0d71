ARG NAME=base
FROM registry.test/${NAME}
RUN echo "$NAME"
