FROM registry.test/base
ADD http://git.test/repository.git#main:sub /sub
