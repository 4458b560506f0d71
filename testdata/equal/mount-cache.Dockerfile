FROM registry.test/base AS seed
RUN mkdir /seed
FROM registry.test/base
ARG NS=ns
RUN --mount=type=cache,target=/one true
RUN --mount=type=cache,id=$NS,target=/two,sharing=locked,ro true
RUN --mount=type=cache,target=/three,from=seed,source=/seed,sharing=private true
RUN --mount=type=cache,target=/four,uid=10,gid=20,mode=0750 true
