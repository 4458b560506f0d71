RUN echo one
#: refused
