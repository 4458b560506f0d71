FROM alpine:3.20@sha256:54c5b3dd459d5ef778bb2fa1e23a5fb0e1b62ae66970bcb436e8f81a1a1a8e41 AS base
ARG HTTP_PROXY
WORKDIR /w
USER app
ENV A=b
ADD --checksum=sha256:0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3 https://files.example.com/a.tar.gz /a/
ADD --unpack=true --checksum=sha256:0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3 https://files.example.com/a.tar.gz /u/
ADD https://git.example.com/org/repo.git#0123456789abcdef0123456789abcdef01234567:sub /g/
ADD --keep-git-dir=true https://git.example.com/org/repo.git#0123456789abcdef0123456789abcdef01234567 /k/
COPY --chown=app:app --chmod=u+x,g-w . /src
COPY --link --chown=1:2 a b /l/
COPY --from=busybox@sha256:9d75f0d7c398df565d7ac04c6819b62d6d8f9560f5eb4672596ecd8f7e96ae91 /bin/x /x
COPY <<E1 <<E2 /h/
one
E1
two
E2
RUN --network=none make
RUN --network=none <<E
set -e
make
E
RUN --network=none <<E
#!/usr/bin/python3
print(1)
E
RUN --network=none --mount=type=secret,id=t --mount=type=secret,id=v,env=V --mount=type=tmpfs,target=/t,size=1m --mount=type=bind,source=q,target=/q --mount=type=bind,from=busybox@sha256:9d75f0d7c398df565d7ac04c6819b62d6d8f9560f5eb4672596ecd8f7e96ae91,target=/bb --mount=type=bind,rw,target=/rw make again
FROM scratch
COPY --from=base /src /
VOLUME /v
EXPOSE 80
CMD ["/x"]
