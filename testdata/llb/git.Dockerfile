FROM scratch
ADD https://git.example.com/org/repo.git#main /
