FROM registry.test/base
COPY --chmod=u=rwX,go=rX dir /1
