FROM registry.test/base
COPY *.txt dir/?.txt /many/
COPY dir /dir
COPY . /all
COPY a.txt b.txt ./
