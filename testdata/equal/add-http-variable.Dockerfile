FROM registry.test/base
ARG VERSION=file
ENV HOST=http://files.test
ADD ${HOST}/${VERSION} /one
ADD ["$HOST/other", "/a b/"]
