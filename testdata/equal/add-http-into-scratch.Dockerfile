FROM scratch
ADD http://files.test/file /
