FROM registry.test/base AS build
RUN echo built > /out
FROM registry.test/base
COPY --from=build /out /in
