FROM registry.test/base
RUN   echo   "a   b"
CMD echo $HOME
ENTRYPOINT exec sh
