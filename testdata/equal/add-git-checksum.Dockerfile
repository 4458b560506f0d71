FROM registry.test/base
ADD --checksum=commit.test http://git.test/repository.git#main /checked
#: refused trixie
