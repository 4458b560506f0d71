#!/usr/bin/env python3
"""What git's own server answers to a clone, in the versions 0 and 2 of the protocol; its commits are stored as differences."""

import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
       for what, value in (("NAME", "A"), ("EMAIL", "a@example.com"), ("DATE", "1700000000 +0000"))}
ENV = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", **WHO)
LONG = "words of it " * 20


def line(text):
    return b"%04x%s" % (len(text) + 4, text.encode())


with tempfile.TemporaryDirectory() as folder:
    def git(*words, given=None, **more):
        return subprocess.run(["git", *words], cwd=folder, env={**ENV, **more}, input=given, check=True, capture_output=True).stdout

    def commit(name, text, message):
        (pathlib.Path(folder) / name).write_text(text)
        git("add", ".")
        git("commit", "-qm", message + LONG)

    git("init", "-q", "-b", "main", ".")
    for number in range(4):
        commit("f", "line\n" * 40 + str(number), f"message {number} ")
    git("tag", "-a", "v1", "-m", "one")
    git("checkout", "-qb", "other", "HEAD~1")
    commit("o", "o", "other ")
    git("repack", "-adfq", "--depth=50", "--window=50")
    ids = git("for-each-ref", "--format=%(objectname)").decode().split()

    def answer(name, asked, version=None):
        more = {"GIT_PROTOCOL": f"version={version}"} if version else {}
        (HERE / name).write_bytes(git("upload-pack", "--stateless-rpc", ".", given=asked, **more))

    start = line("object-format=sha1\n") + b"0001"
    prefixes = b"".join(line(f"ref-prefix refs/{kind}/\n") for kind in ("tags", "heads"))
    answer("refs-v2", line("command=ls-refs\n") + start + line("peel\n") + line("symrefs\n") + prefixes + b"0000", 2)
    wants = b"".join(line(f"want {id}\n") for id in ids)
    answer("pack-v2", line("command=fetch") + start + line("ofs-delta") + wants + line("done\n") + b"0000", 2)
    for name, band in (("pack-v0", "side-band-64k "), ("pack-bare", "")):
        first = line(f"want {ids[0]} ofs-delta {band}agent=t\n")
        answer(name, first + b"".join(line(f"want {id}\n") for id in ids[1:]) + b"0000" + line("done\n"))
    refs = git("upload-pack", "--http-backend-info-refs", ".")
    (HERE / "refs-v0").write_bytes(line("# service=git-upload-pack\n") + b"0000" + refs)
