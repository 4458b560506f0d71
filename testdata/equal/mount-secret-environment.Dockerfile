FROM registry.test/base
RUN --mount=type=secret,id=one,env=ONE --mount=type=secret,id=two,env=TWO,target=/two echo $ONE
#: refused trixie
