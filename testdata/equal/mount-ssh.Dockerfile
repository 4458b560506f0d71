FROM registry.test/base
RUN --mount=type=ssh true
RUN --mount=type=ssh,id=other,target=/agent,required,mode=0666,uid=1,gid=2 true
