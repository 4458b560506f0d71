#!/bin/sh
# Makes the files in this folder with git 2.47, GnuPG 2.4 and OpenSSH 10 (Debian 13: git, gnupg, openssh-client). Secret keys are
# thrown away, so a new run makes new keys and objects: cases.ndjson names them as this prints them.
set -eu
cd "$(dirname "$0")"
here=$PWD
tmp=$(mktemp -d)
trap 'GNUPGHOME=$tmp/gpg gpgconf --kill all; rm -r "$tmp"' EXIT
export GNUPGHOME="$tmp/gpg" HOME="$tmp" LC_ALL=C
mkdir -m 700 "$GNUPGHOME"
cat > "$tmp/gpg-then" << 'END'
#!/bin/sh
exec gpg --quiet --faked-system-time 20240601T000000 --pinentry-mode loopback --passphrase '' "$@"
END
chmod +x "$tmp/gpg-then"
for name in alice bob; do
    gpg --batch --quiet --faked-system-time 20240101T000000 --passphrase '' --quick-gen-key "$name@example.com" ed25519 sign never 2> /dev/null
    gpg --armor --export "$name@example.com" > "$name.asc"
    ssh-keygen -q -t ed25519 -N '' -C "$name@example.com" -f "$tmp/$name"
    cp "$tmp/$name.pub" "$name.pub"
done
key=$(cut -d' ' -f1,2 alice.pub)
echo "alice@example.com namespaces=\"git\",valid-after=\"20240101Z\",valid-before=\"20250101Z\" $key" > allowed
echo "alice@example.com namespaces=\"git\",valid-before=\"20240301Z\" $key" > ended
echo "alice@example.com namespaces=\"git\",valid-after=\"20240701Z\" $key" > later
echo "alice@example.com namespaces=\"file\" $key" > files-only

export GIT_AUTHOR_NAME=Alice GIT_AUTHOR_EMAIL=alice@example.com GIT_COMMITTER_NAME=Alice GIT_COMMITTER_EMAIL=alice@example.com
export GIT_AUTHOR_DATE='1717200000 +0200' GIT_COMMITTER_DATE='1717200000 +0200'
g() { git -c gpg.program="$tmp/gpg-then" -c user.signingKey="$who" "$@"; }
s() { git -c gpg.format=ssh -c user.signingKey="$tmp/$who" "$@"; }
raw() { git cat-file "$1" "$2" > "$here/$3"; }
named() { echo "$1 $(git rev-parse "$2")"; }

for format in sha1 sha256; do
    git init -q -b main --object-format=$format "$tmp/$format"
    cd "$tmp/$format"
    echo one > file
    git add file
    who=alice@example.com
    g commit -q -S -m 'Signed with OpenPGP'
    named $format-commit HEAD
    raw commit HEAD $format.commit
    g tag -s -m 'First release' v1
    raw tag v1 $format.tag
    who=alice
    s commit -q -S --allow-empty -m 'Signed with SSH'
    named $format-ssh-commit HEAD
    raw commit HEAD $format-ssh.commit
    s tag -s -m 'Second release' v2
    raw tag v2 $format-ssh.tag
done

cd "$tmp/sha1"
git checkout -q v1 2> /dev/null
who=alice@example.com
g tag -s -m 'Release of a release' outer v1
raw tag outer outer.tag
last=v1
for n in 1 2 3 4 5 6 7 8; do
    g tag -s -m "Level $n" "n$n" "$last" 2> /dev/null
    raw tag "n$n" "n$n.tag"
    last="n$n"
done
git tag -a -f -m 'Release of a release' outer "$(git rev-parse v1)" > /dev/null 2>&1
raw tag outer outer-unsigned.tag
g tag -s -f -m 'First release' v1 'HEAD^{tree}' > /dev/null
raw tag v1 tree.tag
git tag -a -f -m 'First release' v1 HEAD > /dev/null
raw tag v1 unsigned.tag
who=bob@example.com
g tag -s -f -m 'First release' v1 HEAD > /dev/null
raw tag v1 bob.tag
who=alice@example.com
git commit -q --allow-empty -m 'Not signed'
raw commit HEAD unsigned.commit
g tag -s -f -m 'First release' v1 HEAD > /dev/null
raw tag v1 moved.tag
# A merge of a signed tag, in another encoding.
git checkout -q --detach outer
git -c i18n.commitEncoding=ISO-8859-1 commit -q --allow-empty -m 'Caf'
who=alice@example.com
g -c i18n.commitEncoding=ISO-8859-1 merge -q -S --no-ff -m 'Merge' v1 2> /dev/null
named merge-commit HEAD
raw commit HEAD merge.commit
# Signed in another namespace, as ssh-keygen signs files.
git cat-file tag v2 | sed '/^-----BEGIN/,$d' > "$tmp/payload"
ssh-keygen -q -Y sign -n file -f "$tmp/alice" "$tmp/payload" 2> /dev/null
cat "$tmp/payload" "$tmp/payload.sig" > "$here/file-namespace.tag"
# A signature over files below a tag.
gpg --show-keys --with-colons "$here/alice.asc" 2> /dev/null | awk -F: '/^fpr/ {print "alice", $10; exit}'
echo "ssh $(ssh-keygen -lf "$here/alice.pub" | cut -d' ' -f2)"
