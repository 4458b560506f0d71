FROM --platform=linux/arm64 registry.test/base AS arm
FROM --platform=linux/amd64 registry.test/base
COPY --from=arm /etc/mark /arm
