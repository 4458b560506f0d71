FROM registry.test/base
COPY --magic a.txt /
#: refused
