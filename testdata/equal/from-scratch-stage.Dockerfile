FROM scratch AS files
COPY a.txt /
FROM files
COPY dir /dir
