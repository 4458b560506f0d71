FROM registry.test/base
ADD --keep-git-dir=true --chown=1 http://git.test/repository.git#main /kept
