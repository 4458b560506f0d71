FROM registry.test/base
RUN echo one
#: args --shm-size 1m --ulimit nofile=10:20 --cgroup-parent parent
