ARG TARGETARCH
FROM registry.test/for-${TARGETARCH}
ARG TARGETARCH
ADD http://files.test/for-${TARGETARCH} /
RUN echo one
#: args --platform linux/amd64,linux/arm64
#: only forky
