FROM registry.test/base
RUN --mount=type=secret,id=one cat /run/secrets/one
RUN --mount=type=secret,id=two,target=/two,required=true,mode=0440,uid=1,gid=2 cat /two
RUN --mount=type=secret,target=/three/name true
