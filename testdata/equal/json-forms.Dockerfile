FROM registry.test/base
RUN ["echo", "a b", "$HOME", "\u00e9"]
CMD ["sh", "-c", "echo"]
ENTRYPOINT ["/bin/sh"]
VOLUME ["/a", "/b c"]
COPY ["a.txt", "dir", "/to here/"]
