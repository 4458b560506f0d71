#!/usr/bin/env python3
"""Makes the files of this folder: git objects signed as gitsign signs them, by the Sigstore instance of ../sigstore/make.py, which says what else
is needed. Each line of the table at the end is one file; the first are good, the others differ from one in what only the holder of a key
could write. What anybody could change is an `edit` in cases.ndjson instead.

Not made here: real.commit. It is gitsign's own (Apache-2.0): sigstore/gitsign, internal/e2e/testdata/offline.commit at 034927d, signed in 2023 with the
public instance. So what our verifier accepts is what the real tool writes. `openssl cms -verify` is asked about the good ones at the end.
"""
import base64, hashlib, json, os, subprocess, sys, tempfile

from cryptography.hazmat.primitives import hashes, serialization

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sigstore"))
import make as sigstore

TREE = "693a3de402bb23897ed5c931273e53c78eff0495"
HEAD = f"tree {TREE}\nauthor Alice <alice@example.com> 1793534400 +0000\ncommitter Alice <alice@example.com> 1793534400 +0000\n".encode()
MESSAGE = b"\nSigned with gitsign\n"
TAG = b"object bc27b600c0ccffab25240610d381d0c6637e6172\ntype commit\ntag v4\ntagger Alice <alice@example.com> 1793534400 +0000\n\nFirst release\n"
SHA256, SHA1, SHA384 = "2.16.840.1.101.3.4.2.1", "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.2"
DATA, SIGNED_DATA, TST = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, DIGEST, SIGNING_TIME = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5"
LOG_ENTRY, TIMESTAMP = "1.3.6.1.4.1.57264.3.1", "1.2.840.113549.1.9.16.2.14"
ECDSA_SHA256, ECDSA_SHA384 = "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3"


def tlv(tag, *parts):
    data = b"".join(parts)
    size = len(data)
    head = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + head + data


def oid(text):
    first, second, *rest = map(int, text.split("."))
    data = b""
    for number in [40 * first + second] + rest:
        part = bytes([number & 127])
        while number := number >> 7:
            part = bytes([number & 127 | 128]) + part
        data += part
    return tlv(6, data)


seq = lambda *parts: tlv(0x30, *parts)
octets = lambda data: tlv(4, data)
set_of = lambda tag, parts: tlv(tag, *sorted(parts))
attribute = lambda kind, *values: seq(oid(kind), tlv(0x31, *values))


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def proto(*fields):
    """Protobuf: (tag, int, bytes or text), without empty values."""
    out = b""
    for tag, value in fields:
        if isinstance(value, int):
            out += varint(tag << 3) + varint(value) if value else b""
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(tag << 3 | 2) + varint(len(value)) + value if value else b""
    return out


def entry(o, signed, signature, cert):
    """What gitsign keeps of Rekor's entry."""
    raw = base64.b64decode
    made = sigstore.log_entry({**o, "log": 1}, signature, hashlib.sha256(signed).digest(), None, cert.public_bytes(serialization.Encoding.PEM), cert)
    kind = o.get("kind") or (made["kindVersion"]["kind"], made["kindVersion"]["version"])
    promise = made.get("inclusionPromise")
    proof = made.get("inclusionProof")
    parts = [(1, int(made["logIndex"])), (2, proto((1, raw(made["logId"]["keyId"])))), (3, proto((1, kind[0]), (2, kind[1]))), (4, int(made["integratedTime"]))]
    if promise:
        parts.append((5, proto((1, raw(promise["signedEntryTimestamp"])))))
    if proof:
        size = o.get("tree_size") or int(proof["treeSize"])
        parts.append((6, proto((1, int(proof["logIndex"])), (2, raw(proof["rootHash"])), (3, size), *[(4, raw(hash)) for hash in proof["hashes"]],
                               (5, proto((1, proof["checkpoint"]["envelope"]))))))
    return proto(*parts)


def token(over, minutes, instance):
    """The token in the reply of an authority."""
    reply = sigstore.timestamp(over, sigstore.SIGNED + minutes * sigstore.MINUTE, instance)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "reply")
        open(path, "wb").write(reply)
        return subprocess.run(["openssl", "ts", "-reply", "-in", path, "-token_out"], check=True, capture_output=True).stdout


def cms(payload, **options):
    o = {**sigstore.DEFAULTS, "digest": SHA256, "algorithm": ECDSA_SHA256, "signers": 1, "content": None, "with_cert": True, "attributes": True, "type": DATA, "over": None,
         "signed_type": DATA, "entries": 1, "two_digests": False, "entry_over": None,
         # The other module leaves its defaults changed.
         "ca": sigstore.US, "tsa_of": sigstore.US, **options}
    key = sigstore.new_key(o["key"])
    cert = sigstore.leaf(key, o)
    hasher = {SHA256: hashlib.sha256, SHA1: hashlib.sha1, SHA384: hashlib.sha384}[o["digest"]]
    digest = hasher(o["over"] or payload).digest()
    attributes = [attribute(CONTENT_TYPE, oid(o["signed_type"])), attribute(SIGNING_TIME, tlv(0x17, b"261101120000Z")), attribute(DIGEST, octets(digest))]
    if o["two_digests"]:
        attributes.append(attribute(DIGEST, octets(hashlib.sha256(b"other").digest())))
    signed = set_of(0x31, attributes) if o["attributes"] else payload
    signature = sigstore.sign(key, signed)
    unsigned = []
    if o["log"]:
        logged = o["entry_over"] or signed
        unsigned.append(attribute(LOG_ENTRY, *[octets(entry({**o, "logged": o["logged"] + more}, logged, signature, cert)) for more in range(o["entries"])]))
    if o["tsa"] is not None:
        unsigned.append(attribute(TIMESTAMP, token(signature if o["tsa_over"] is None else o["tsa_over"], o["tsa"], o["tsa_of"])))
    issuer = cert.issuer.public_bytes()
    serial = cert.serial_number
    serial = tlv(2, serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
    signer = seq(tlv(2, b"\x01"), seq(issuer, serial), seq(oid(o["digest"])), set_of(0xa0, attributes) if o["attributes"] else b"", seq(oid(o["algorithm"])), octets(signature),
                 set_of(0xa1, unsigned) if unsigned else b"")
    inner = seq(oid(o["type"]), tlv(0xa0, octets(o["content"])) if o["content"] is not None else b"")
    certificates = tlv(0xa0, sigstore.der(cert) if o["with_cert"] else sigstore.der(sigstore.leaf(sigstore.new_key("p256"), o)))
    data = seq(tlv(2, b"\x01"), tlv(0x31, seq(oid(o["digest"]))), inner, certificates, tlv(0x31, *[signer] * o["signers"]))
    return seq(oid(SIGNED_DATA), tlv(0xa0, data))


def armor(der, label="SIGNED MESSAGE"):
    text = base64.b64encode(der).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]).encode() + b"\n"


def commit(signature=None, **options):
    text = armor(cms(HEAD + MESSAGE, **options) if signature is None else signature)
    return HEAD + b"gpgsig " + text.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n" + MESSAGE


US, THEM = sigstore.US, sigstore.THEM
OTHER = HEAD + b"\nAnother\n"
FILES = {
    # Good ones.
    "good.commit": commit(),
    "mail.commit": commit(identity="alice@example.com", cert_source="", cert_ref=""),
    "both.commit": commit(tsa=1),
    "timestamp.commit": commit(log=None, sct=None, tsa=1),
    "good.tag": TAG + armor(cms(TAG)),
    # Each in order, but of somebody else or something else.
    "other-identity.commit": commit(identity=sigstore.IDENTITY.replace("acme", "evil")),
    "other-issuer.commit": commit(issuer="https://token.example.com.evil.test"),
    "other-commit.commit": commit(signature=cms(OTHER)),
    "other-tag.tag": TAG + armor(cms(TAG.replace(b"tag v4", b"tag v2"))),
    # What a signer would have to do.
    "no-time.commit": commit(log=None),
    "timestamp-only.commit": commit(log=None, tsa=1),
    "no-attributes.commit": commit(attributes=False),
    "two-digests.commit": commit(two_digests=True),
    "other-digest.commit": commit(over=OTHER),
    "sha1.commit": commit(digest=SHA1),
    "other-hash.commit": commit(algorithm=ECDSA_SHA384),
    "other-type.commit": commit(type=TST),
    "signed-type.commit": commit(signed_type=TST),
    "content.commit": commit(content=HEAD + MESSAGE),
    "content-other.commit": commit(content=OTHER),
    "two-signers.commit": commit(signers=2),
    "no-certificate.commit": commit(with_cert=False),
    "two-entries.commit": commit(entries=2),
    "entry-kind.commit": commit(kind=("dsse", "0.0.1")),
    "entry-version.commit": commit(kind=("hashedrekord", "0.0.2")),
    "entry-other.commit": commit(entry_over=b"other"),
    "tree-size.commit": commit(tree_size=6),
    "no-promise.commit": commit(set=False),
    "no-proof.commit": commit(proof=False),
    "promise-other-key.commit": commit(set="other key"),
    "checkpoint-other-key.commit": commit(checkpoint="other key"),
    "late.commit": commit(logged=30),
    "early.commit": commit(logged=-30),
    "timestamp-late.commit": commit(log=None, sct=None, tsa=30),
    "timestamp-early.commit": commit(log=None, sct=None, tsa=-30),
    "timestamp-other.commit": commit(log=None, sct=None, tsa=1, tsa_over=b"other"),
    "timestamp-authority.commit": commit(log=None, sct=None, tsa=1, tsa_of=THEM),
    "private-no-time.commit": commit(log=None, sct=None),
    # What an authority would have to get wrong.
    "other-authority.commit": commit(ca=THEM),
    "no-sct.commit": commit(sct=None),
    "sct-other-log.commit": commit(sct="other log"),
    "is-authority.commit": commit(leaf_ca=True),
    "usage.commit": commit(usage=sigstore.ExtendedKeyUsageOID.SERVER_AUTH),
    "no-identity.commit": commit(identity="", cert_source="", cert_ref=""),
}

if __name__ == "__main__":
    for name, data in FILES.items():
        open(name, "wb").write(data)
    for name, value in {"root": US.trusted_root(), "root-private": US.trusted_root(logs=False), "root-other": THEM.trusted_root()}.items():
        with open(name + ".json", "w") as file:
            json.dump(value, file, indent=1)
            file.write("\n")
    # OpenSSL finds the signatures good, over just these bytes; chains and logs are not its business.
    for name in ("good.commit", "mail.commit", "both.commit", "timestamp.commit", "good.tag"):
        data = open(name, "rb").read()
        start = data.index(b"-----BEGIN")
        end = data.index(b"-----END SIGNED MESSAGE-----") + len(b"-----END SIGNED MESSAGE-----")
        block = data[start:end].replace(b"\n ", b"\n").replace(b"SIGNED MESSAGE", b"CMS") + b"\n"
        payload = TAG if name.endswith(".tag") else HEAD + MESSAGE
        with tempfile.TemporaryDirectory() as folder:
            path = lambda file: os.path.join(folder, file)
            open(path("sig"), "wb").write(block)
            for text, good in ((payload, True), (payload + b"x", False)):
                open(path("data"), "wb").write(text)
                done = subprocess.run(["openssl", "cms", "-verify", "-noverify", "-binary", "-inform", "PEM", "-in", path("sig"), "-content", path("data")], capture_output=True)
                assert (done.returncode == 0) == good, (name, done.stderr)
