FROM --platform=$BUILDPLATFORM registry.test/base AS build
ARG TARGETARCH
RUN echo $TARGETARCH > /out
FROM registry.test/base
COPY --from=build /out /
LABEL a=b
#: args --platform linux/amd64,linux/arm64
#: only forky
