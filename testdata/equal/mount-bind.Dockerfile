FROM registry.test/base AS other
RUN echo other > /file
FROM registry.test/base
RUN --mount=target=/context cat /context/a.txt
RUN --mount=type=bind,source=dir,target=/dir,rw true > /dir/x
RUN --mount=type=bind,from=other,src=/file,dst=/file cat /file
RUN --mount=from=OTHER,target=/other ls /other
