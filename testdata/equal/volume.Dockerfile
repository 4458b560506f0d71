FROM registry.test/base
ENV V=/from-env
VOLUME /one /two
VOLUME $V
VOLUME [ "/three" ]
