FROM registry.test/base
HEALTHCHECK --interval=5s --timeout=1m --start-period=1s --retries=3 CMD echo fine
FROM registry.test/base
HEALTHCHECK --start-interval=2s CMD ["true"]
