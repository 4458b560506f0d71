FROM scratch
ADD https://files.example.com/a.tar.gz /
