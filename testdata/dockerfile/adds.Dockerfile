FROM scratch
ARG VERSION=v1.2.3
ADD --checksum=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef https://dl.example.com/${VERSION#v}/tool.tgz /
ADD --keep-git-dir=true https://git.example.com/acme/lib.git#${VERSION}:src /lib
ADD git@git.example.com:acme/private.git?tag=v1&subdir=a /private
ADD --unpack ["https://dl.example.com/a b", "./local", "/dst/"]
ADD ssh://git@git.example.com/x https://dl.example.com/x.git/ HTTP://dl.example.com/y /z/
