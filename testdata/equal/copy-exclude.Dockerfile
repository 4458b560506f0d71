FROM registry.test/base
COPY --exclude=*.txt --exclude=dir/* . /some
ADD --exclude=b.txt . /added
#: refused trixie
