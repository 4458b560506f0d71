FROM registry.test/base
ADD HTTP://files.test/file /one
