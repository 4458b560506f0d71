FROM registry.test/base
LABEL one=1 "two words"="2 \"two\"" \
  three='3'
LABEL old form
MAINTAINER Somebody <somebody@example.com>
#: args --label given=from-outside
