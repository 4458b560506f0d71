FROM registry.test/base
ADD http://files.test/file http://files.test/other /both/
ADD http://files.test/file?query=1 a.txt /mixed/
#: splits
