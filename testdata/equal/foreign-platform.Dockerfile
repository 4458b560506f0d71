FROM registry.test/base
ARG TARGETARCH
RUN echo $TARGETARCH
COPY a.txt /$TARGETARCH/
#: args --platform linux/arm64/v8
