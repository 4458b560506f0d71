FROM registry.test/base
ADD a.txt dir/ /to/
ADD --chown=1:1 dir /dir
ADD archive.tar /unpacked/
