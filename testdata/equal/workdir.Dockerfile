FROM registry.test/base
ENV DIR=dir
WORKDIR /work
WORKDIR $DIR/sub
RUN pwd
WORKDIR ../up
COPY a.txt .
COPY a.txt ./x/
