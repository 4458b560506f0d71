FROM --platform=$BUILDPLATFORM registry.test/base AS build
RUN echo built > /out
FROM registry.test/for-${TARGETARCH}
COPY --from=build /out /
#: args --platform linux/amd64,linux/arm64
#: only forky
