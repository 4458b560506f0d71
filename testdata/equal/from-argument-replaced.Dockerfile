ARG NAME=bAse
FROM registry.test/${NAME/A/a} AS ${NAME+unused}x
RUN echo 1
#: refused
