FROM registry.test/base
COPY --from=source README /
#: args --build-context source=http://git.test/repository.git#main
