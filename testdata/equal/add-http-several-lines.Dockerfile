FROM registry.test/base
ADD \
  # a comment
  --chmod=644 \
  http://files.test/file \
  /one
