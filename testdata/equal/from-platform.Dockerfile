FROM --platform=$BUILDPLATFORM registry.test/base AS build
ARG TARGETOS TARGETARCH
RUN echo $TARGETOS/$TARGETARCH > /out
FROM registry.test/base
COPY --from=build /out /
#: args --platform linux/arm64
