FROM node:22 AS base
ONBUILD COPY --from=assets:1 /a /b
ONBUILD RUN --network=host npm ci
ONBUILD ADD https://dl.example.com/$V \
  /v
FROM base AS app
ENV V=1
RUN ["node", "--version"]
FROM base
COPY --from=app / /app
COPY --from=1 /x /y
