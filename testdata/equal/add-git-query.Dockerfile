FROM registry.test/base
ADD http://git.test/repository.git?branch=main&subdir=sub /query
#: refused trixie
