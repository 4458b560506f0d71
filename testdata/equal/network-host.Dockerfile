FROM registry.test/base
RUN --network=host echo host
#: args --allow network.host
#: network
