FROM registry.test/base AS one
ENV A=1
WORKDIR /one
FROM one AS two
RUN echo $A
FROM two
RUN pwd
