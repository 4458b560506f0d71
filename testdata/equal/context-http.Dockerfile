FROM registry.test/base
COPY --from=source context /
#: args --build-context source=http://files.test/file
#: refused forky
#: stricter trixie
