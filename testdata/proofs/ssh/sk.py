"""Signatures as security keys make them (OpenSSH's PROTOCOL.u2f), computed with openssl: sk.py FOLDER-FOR-SECRET-KEYS."""
import base64, hashlib, pathlib, struct, subprocess, sys

tmp = pathlib.Path(sys.argv[1])
string = lambda b: struct.pack(">I", len(b)) + b


def mpint(b):
    b = b.lstrip(b"\0")
    return string(b"\0" + b if b[0] & 0x80 else b)


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout


def read_int(der):  # one DER INTEGER below 128 bytes
    assert der[0] == 2
    return der[2 : 2 + der[1]], der[2 + der[1] :]


def make(name, kind, genpkey, public, raw_sign, present):
    pem = tmp / name
    if not pem.exists():
        openssl("genpkey", *genpkey, "-out", pem)
    spki = openssl("pkey", "-in", pem, "-pubout", "-outform", "DER")
    blob = string(kind) + public(spki) + string(b"ssh:")
    pathlib.Path(name + ".pub").write_text(f"{kind.decode()} {base64.b64encode(blob).decode()} {name}@example.com\n")
    file_hash = hashlib.sha512(pathlib.Path("release.bin").read_bytes()).digest()
    message = b"SSHSIG" + string(b"file") + string(b"") + string(b"sha512") + string(file_hash)
    trailer = struct.pack(">BI", 1 if present else 0, 7)
    signed = hashlib.sha256(b"ssh:").digest() + trailer + hashlib.sha256(message).digest()
    (tmp / "message").write_bytes(signed)
    signature = string(kind) + string(raw_sign(pem)) + trailer
    whole = b"SSHSIG" + struct.pack(">I", 1) + string(blob) + string(b"file") + string(b"") + string(b"sha512") + string(signature)
    text = base64.b64encode(whole).decode()
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    armored = ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"]
    pathlib.Path(name + ("" if present else "-untouched") + ".sig").write_text("\n".join(armored) + "\n")


def ed25519(pem):
    return openssl("pkeyutl", "-sign", "-rawin", "-inkey", pem, "-in", tmp / "message")


def p256(pem):
    der = openssl("dgst", "-sha256", "-sign", pem, tmp / "message")
    r, rest = read_int(der[2:])
    s, _ = read_int(rest)
    return mpint(r) + mpint(s)


for present in (True, False):
    make("sk-ed25519", b"sk-ssh-ed25519@openssh.com", ["-algorithm", "ed25519"], lambda spki: string(spki[-32:]), ed25519, present)
    make(
        "sk-p256",
        b"sk-ecdsa-sha2-nistp256@openssh.com",
        ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        lambda spki: string(b"nistp256") + string(spki[-65:]),
        p256,
        present,
    )
