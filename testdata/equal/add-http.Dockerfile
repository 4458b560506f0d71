FROM registry.test/base
ADD http://files.test/file /one
ADD http://files.test/other /other
ADD http://files.test/file?query=1 /query
