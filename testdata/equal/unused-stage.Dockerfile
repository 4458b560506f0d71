FROM registry.test/nothing AS unused
ADD http://files.test/nothing /
RUN false
FROM registry.test/base AS used
RUN echo used
FROM registry.test/nothing AS after
FROM used
