#!/usr/bin/env python3
"""Makes the files of this folder: git objects signed below an authority of one's own, by gpgsm 2.2 through git (gpgsm-*), and in the same form by the means
of ../gitsign/make.py. Each line of the tables is one file; the first are good, the others differ from one in what only the holder of a key could write. What
anybody could change is an `edit` in cases.ndjson instead. Needs git, gpgsm, openssl, faketime and Python's cryptography. Secret keys are thrown away: a new
run makes new files.
"""
import datetime, hashlib, importlib.util, os, subprocess, tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import ExtendedKeyUsageOID as For, NameOID

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("gitsign", os.path.join(here, "..", "gitsign", "make.py"))
g = importlib.util.module_from_spec(spec)
spec.loader.exec_module(g)

PAYLOAD = g.HEAD + g.MESSAGE
time = lambda year, month=1: datetime.datetime(year, month, 1, tzinfo=datetime.timezone.utc)
pem = lambda cert: cert.public_bytes(serialization.Encoding.PEM)
new = lambda: ec.generate_private_key(ec.SECP256R1())
name = lambda text: x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example.com"), x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*flags):
    known = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{flag: flag in flags for flag in known})


def certify(subject, key, issuer=None, start=time(2026), end=time(2030), ca=None, flags=("digital_signature", "content_commitment"), trades=(For.EMAIL_PROTECTION,),
            address=None, path=None, extra=None, hash=hashes.SHA256(), basic=True):
    """A certificate of `key`, by itself or by `issuer` (name, key)."""
    by, by_key = issuer or (subject, key)
    builder = (x509.CertificateBuilder().subject_name(name(subject) if subject else x509.Name([])).issuer_name(name(by)).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end))
    if basic:
        builder = builder.add_extension(x509.BasicConstraints(bool(ca), path if ca else None), True)
    if flags:
        builder = builder.add_extension(usage(*flags), True)
    if trades:
        builder = builder.add_extension(x509.ExtendedKeyUsage(trades), False)
    if address:
        names = [x509.RFC822Name(text) for text in ([address] if isinstance(address, str) else address)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), not subject)
    if extra:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(extra), b"\x05\x00"), True)
    return builder.sign(by_key, hash)


CA = dict(ca=True, flags=("key_cert_sign", "crl_sign"), trades=())
ROOT, MIDDLE, OTHER = new(), new(), new()
root = certify("Root", ROOT, **CA)
middle = certify("Middle", MIDDLE, ("Root", ROOT), **CA)
other = certify("Root", OTHER, **CA)
BELOW = ("Middle", MIDDLE)


def cms(payload=PAYLOAD, leaf=None, key=None, chain=(middle,), digest=g.SHA256, algorithm=g.ECDSA_SHA256, signers=1, content=None, attributes=True, over=None, kind=g.DATA,
        stamp=None, stamp_over=None, stamp_by=g.US, stamps=1, with_leaf=True, two_digests=False, **options):
    key = key or new()
    leaf = leaf or certify(options.pop("subject", "Alice"), key, options.pop("issuer", BELOW), address=options.pop("address", "alice@example.com"), **options)
    hasher = {g.SHA256: hashlib.sha256, g.SHA1: hashlib.sha1}[digest]
    signed = [g.attribute(g.CONTENT_TYPE, g.oid(kind)), g.attribute(g.SIGNING_TIME, g.tlv(0x17, b"261101120000Z")), g.attribute(g.DIGEST, g.octets(hasher(over or payload).digest()))]
    if two_digests:
        signed.append(g.attribute(g.DIGEST, g.octets(hashlib.sha256(b"other").digest())))
    message = g.set_of(0x31, signed) if attributes else payload
    by = {"ec": lambda: key.sign(message, ec.ECDSA(hashes.SHA256())), "rsa": lambda: key.sign(message, PKCS1v15(), hashes.SHA256())}
    signature = by["rsa" if isinstance(key, rsa.RSAPrivateKey) else "ec"]()
    unsigned = []
    for count in range(stamps if stamp is not None else 0):
        unsigned.append(g.attribute(g.TIMESTAMP, g.token(stamp_over or signature, stamp + count, stamp_by)))
    serial = leaf.serial_number
    serial = g.tlv(2, serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
    signer = g.seq(g.tlv(2, b"\x01"), g.seq(leaf.issuer.public_bytes(), serial), g.seq(g.oid(digest)), g.set_of(0xa0, signed) if attributes else b"",
                   g.seq(g.oid(algorithm)), g.octets(signature), g.set_of(0xa1, unsigned) if unsigned else b"")
    inner = g.seq(g.oid(g.DATA), g.tlv(0xa0, g.octets(content)) if content is not None else b"")
    certificates = [cert.public_bytes(serialization.Encoding.DER) for cert in ([leaf] if with_leaf else []) + list(chain)]
    data = g.seq(g.tlv(2, b"\x01"), g.tlv(0x31, g.seq(g.oid(digest))), inner, g.tlv(0xa0, *certificates), g.tlv(0x31, *[signer] * signers))
    return g.seq(g.oid(g.SIGNED_DATA), g.tlv(0xa0, data))


def commit(signature=None, **options):
    text = g.armor(cms(**options) if signature is None else signature)
    return g.HEAD + b"gpgsig " + text.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n" + g.MESSAGE


def below(**options):
    """An authority below the root that has something wrong with it: its name, key and certificate."""
    key = new()
    options = {**CA, "issuer": ("Root", ROOT), **options}
    return key, certify("Wrong", key, **options)


def by(wrong, **options):
    key, cert = wrong
    return commit(issuer=("Wrong", key), chain=(cert,), **options)


def long(count):
    """A chain of `count` authorities below the root."""
    issuer, chain = ("Root", ROOT), []
    for number in range(count):
        key = new()
        chain.append(certify(f"Number {number}", key, issuer, **CA))
        issuer = (f"Number {number}", key)
    return commit(issuer=issuer, chain=chain[::-1])


weak = rsa.generate_private_key(65537, 1024)
self_key = new()
FILES = {
    # Good ones.
    "good.commit": commit(),
    "code.commit": commit(trades=(For.CODE_SIGNING,), address=None),
    "two-addresses.commit": commit(address=["al@example.com", "alice@example.com"]),
    "no-subject.commit": commit(subject=""),
    "stamped.commit": commit(stamp=1),
    "stamped-then-expired.commit": commit(end=time(2026, 11) + datetime.timedelta(days=2), stamp=1),
    "directly.commit": commit(issuer=("Root", ROOT), chain=()),
    "chain-long.commit": long(6),
    # Each in order, but of somebody else or something else.
    "bob.commit": commit(subject="Bob", address="bob@example.com"),
    "other-root.commit": commit(issuer=("Root", OTHER), chain=()),
    "other-commit.commit": commit(signature=cms(payload=g.OTHER)),
    "itself.commit": commit(leaf=certify("Alice", self_key, address="alice@example.com"), key=self_key, chain=()),
    # What a signer would have to do.
    "no-attributes.commit": commit(attributes=False),
    "two-digests.commit": commit(two_digests=True),
    "other-digest.commit": commit(over=g.OTHER),
    "sha1.commit": commit(digest=g.SHA1),
    "other-hash.commit": commit(algorithm=g.ECDSA_SHA384),
    "signed-type.commit": commit(kind=g.TST),
    "content.commit": commit(content=PAYLOAD),
    "two-signers.commit": commit(signers=2),
    "no-certificate.commit": commit(with_leaf=False),
    "no-middle.commit": commit(chain=()),
    "two-stamps.commit": commit(stamp=1, stamps=2),
    "stamp-other.commit": commit(stamp=1, stamp_over=b"other"),
    "stamp-authority.commit": commit(stamp=1, stamp_by=g.THEM),
    "expired-when-stamped.commit": commit(end=time(2026, 10), stamp=1),
    # What an authority would have to get wrong.
    "expired.commit": commit(end=time(2026, 11)),
    "future.commit": commit(start=time(2026, 12)),
    "is-authority.commit": commit(ca=True),
    "no-usage.commit": commit(flags=()),
    "enciphers.commit": commit(flags=("key_encipherment",)),
    "server.commit": commit(trades=(For.SERVER_AUTH,)),
    "critical.commit": commit(extra="1.2.3.4"),
    "weak.commit": commit(key=weak, algorithm="1.2.840.113549.1.1.11"),
    "middle-no-ca.commit": by(below(ca=False)),
    "middle-no-basic.commit": by(below(basic=False)),
    "middle-usage.commit": by(below(flags=("digital_signature",))),
    "middle-expired.commit": by(below(end=time(2026, 11))),
    "middle-other-key.commit": commit(issuer=("Middle", new())),
    "chain-too-long.commit": long(7),
}
short_key, short = below(path=0)
lower_key = new()
lower = certify("Lower", lower_key, ("Wrong", short_key), **CA)
FILES["path.commit"] = commit(issuer=("Lower", lower_key), chain=(lower, short))


def gpgsm():
    """What git and gpgsm make, of a certificate with an RSA key; gpgsm states no lengths of the outermost values."""
    key = rsa.generate_private_key(65537, 2048)
    cert = certify("Alice", key, ("Root", ROOT), address="alice@example.com")
    with tempfile.TemporaryDirectory() as folder:
        path = lambda *parts: os.path.join(folder, *parts)
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for file, data in {"key": secret, "cert": pem(cert), "root": pem(root)}.items():
            open(path(file), "wb").write(data)
        os.mkdir(path("gpg"), 0o700)
        open(path("gpg", "gpgsm.conf"), "w").write("disable-crl-checks\n")
        open(path("gpg", "trustlist.txt"), "w").write(root.fingerprint(hashes.SHA1()).hex(":").upper() + " S relax\n")
        program = path("gpgsm-then")
        open(program, "w").write('#!/bin/sh\nexec gpgsm --faked-system-time 20261101T120000 --batch --pinentry-mode loopback --passphrase-fd 3 "$@" 3< ' + path("pass") + "\n")
        os.chmod(program, 0o755)
        open(path("pass"), "w").write("x\n")
        environment = {**os.environ, "GNUPGHOME": path("gpg"), "HOME": folder, "LC_ALL": "C"}
        for who in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{who}_NAME": "Alice", f"GIT_{who}_EMAIL": "alice@example.com", f"GIT_{who}_DATE": "1793534400 +0000"}
        run = lambda *words, **options: subprocess.run(words, check=True, capture_output=True, env=environment, **options).stdout
        run("openssl", "pkcs12", "-export", "-legacy", "-inkey", path("key"), "-in", path("cert"), "-certfile", path("root"), "-passout", "pass:x", "-out", path("p12"))
        run(program, "--import", path("p12"))
        run(program, "--import", path("root"), path("cert"))
        for format in ("sha1", "sha256"):
            git = lambda *words: run("git", "-C", path(format), "-c", "gpg.format=x509", "-c", f"gpg.x509.program={program}", "-c", "user.signingKey=alice@example.com", *words)
            run("git", "init", "-q", "-b", "main", f"--object-format={format}", path(format))
            open(path(format, "file"), "w").write("one\n")
            git("add", "file")
            git("commit", "-q", "-S", "-m", "Signed with gpgsm")
            git("tag", "-s", "-m", "First release", "v5")
            print(format, git("rev-parse", "HEAD").decode().strip())
            for kind, what in (("commit", "HEAD"), ("tag", "v5")):
                FILES[f"gpgsm-{format}.{kind}"] = git("cat-file", kind, what)
        run("gpgconf", "--kill", "all")


if __name__ == "__main__":
    gpgsm()
    for file, data in FILES.items():
        open(os.path.join(here, file), "wb").write(data)
    write = lambda file, *certs: open(os.path.join(here, file), "wb").write(b"".join(map(pem, certs)))
    write("root.pem", root)
    write("root-and-middle.pem", root, middle)
    write("both-roots.pem", other, root)
    write("other.pem", other)
    write("middle.pem", middle)
    write("stamps.pem", g.US.tsa_root)
    write("other-stamps.pem", g.THEM.tsa_root)
