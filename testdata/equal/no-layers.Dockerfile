FROM registry.test/empty
COPY a.txt /
ENV SEEN=$FROM_BASE
