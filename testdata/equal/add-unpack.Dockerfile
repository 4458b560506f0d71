FROM registry.test/base
ADD --unpack=false archive.tar /kept.tar
ADD --unpack=true http://files.test/archive.tar /unpacked/
#: refused trixie
