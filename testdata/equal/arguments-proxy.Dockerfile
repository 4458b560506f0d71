FROM registry.test/base
RUN echo one
ADD http://files.test/file /
#: args --build-arg HTTP_PROXY=http://proxy.test:1 --build-arg no_proxy=files.test
#: network
