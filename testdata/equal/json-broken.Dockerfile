FROM registry.test/base
RUN ["echo", "a]
RUN [ -e /etc/mark ]
CMD [ echo one ]
