FROM registry.test/base
ADD http://git.test/repository.git?branch=main&subdir=sub /query
#: only forky
