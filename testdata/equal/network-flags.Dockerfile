FROM registry.test/base
RUN --network=none echo none
RUN --network=default echo default
RUN echo neither
