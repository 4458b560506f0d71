FROM registry.test/base
ADD --chown=1:2 --chmod=600 http://files.test/file /one
ADD --link http://files.test/other /two
