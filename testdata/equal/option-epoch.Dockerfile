FROM registry.test/base
RUN echo one
COPY a.txt /
#: args --build-arg SOURCE_DATE_EPOCH=1700000000
