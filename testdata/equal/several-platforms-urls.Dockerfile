FROM registry.test/base
ARG TARGETARCH
ADD http://files.test/for-${TARGETARCH} /file
RUN echo one
#: args --platform linux/amd64,linux/arm64
#: only forky
