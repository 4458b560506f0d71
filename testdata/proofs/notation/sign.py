"""Envelopes that notation does not make: sign.py FOLDER, which has alice.key and the certificates."""
import base64, hashlib, json, pathlib, struct, subprocess, sys

folder = pathlib.Path(sys.argv[1])
url = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=").decode()
CTY = "application/vnd.cncf.notary.payload.v1+json"


def der(name):
    return subprocess.run(["openssl", "x509", "-in", folder / f"{name}.crt", "-outform", "DER"], check=True, capture_output=True).stdout


def sign(data, key="alice", hash_name="sha256", size=32):
    (folder / "data").write_bytes(data)
    sig = subprocess.run(["openssl", "dgst", f"-{hash_name}", "-sign", folder / f"{key}.key", folder / "data"], check=True, capture_output=True).stdout
    out, at = b"", 3 if sig[1] & 0x80 else 2
    for _ in range(2):
        length = sig[at + 1]
        out += sig[at + 2 : at + 2 + length].lstrip(b"\0").rjust(size, b"\0")
        at += 2 + length
    return out


data = (folder / "release.bin").read_bytes()
target = {"mediaType": "application/octet-stream", "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}
payload = lambda **more: json.dumps({"targetArtifact": {**target, **more}}).encode()
plain = {
    "alg": "ES256",
    "cty": CTY,
    "crit": ["io.cncf.notary.signingScheme"],
    "io.cncf.notary.signingScheme": "notary.x509",
    "io.cncf.notary.signingTime": "2026-11-01T00:00:00Z",
}
authority = {
    "alg": "ES256",
    "cty": CTY,
    "crit": ["io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"],
    "io.cncf.notary.signingScheme": "notary.x509.signingAuthority",
    "io.cncf.notary.authenticSigningTime": "2026-11-01T00:00:00Z",
}


def jws(name, protected, body=None, chain=("alice", "root"), key="alice", **how):
    protected = protected if isinstance(protected, bytes) else json.dumps(protected).encode()
    protected, body = url(protected), url(payload() if body is None else body)
    envelope = {
        "payload": body,
        "protected": protected,
        "header": {"x5c": [base64.b64encode(der(c)).decode() for c in chain], "io.cncf.notary.signingAgent": "sign.py"},
        "signature": url(sign(f"{protected}.{body}".encode(), key, **how)),
    }
    (folder / f"{name}.jws").write_text(json.dumps(envelope))


def cbor(value):
    def head(major, n):
        if n < 24:
            return bytes([major << 5 | n])
        for code, size, form in ((24, 1, ">B"), (25, 2, ">H"), (26, 4, ">I"), (27, 8, ">Q")):
            if n < 1 << 8 * size:
                return bytes([major << 5 | code]) + struct.pack(form, n)

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    if isinstance(value, tuple):  # (tag, value)
        return head(6, value[0]) + cbor(value[1])
    raise TypeError(value)


def cose(name, protected, body=None, tag=18, raw=None, unprotected=None):
    protected = raw or cbor(protected)
    body = payload() if body is None else body
    signature = sign(cbor(["Signature1", protected, b"", body]))
    unprotected = unprotected or {33: [der("alice"), der("root")]}
    (folder / f"{name}.cose").write_bytes(cbor((tag, [protected, unprotected, body, signature])))


names = {"alg": 1, "crit": 2, "cty": 3}
number = {"ES256": -7}
EPOCH = 1793491200  # 2026-11-01


def as_cose(headers):
    out = {}
    for key, value in headers.items():
        out[names.get(key, key)] = number.get(value, value) if key == "alg" else (1, EPOCH) if key.endswith("Time") else value
    return out


jws("authority", authority)
cose("authority", as_cose(authority))
jws("by-hand", plain)
cose("by-hand", as_cose(plain))

# Signed properly, and yet to be refused.
jws("early-authority", {**authority, "io.cncf.notary.authenticSigningTime": "2025-12-31T23:59:59Z"})
jws("plugin", {**plain, "crit": plain["crit"] + ["io.cncf.notary.verificationPlugin"], "io.cncf.notary.verificationPlugin": "com.example.plugin"})
jws("loose-plugin", {**plain, "io.cncf.notary.verificationPlugin": "com.example.plugin"})
jws("unknown-critical", {**plain, "crit": plain["crit"] + ["com.example.must"], "com.example.must": True})
jws("unknown-loose", {**plain, "com.example.may": {"a": [1, 2]}})
jws("loose-expiry", {**plain, "io.cncf.notary.expiry": "2030-01-01T00:00:00Z"})
jws("expired", {**plain, "crit": plain["crit"] + ["io.cncf.notary.expiry"], "io.cncf.notary.expiry": "2026-11-21T00:00:00Z"})
jws("crit-twice", {**plain, "crit": plain["crit"] * 2})
jws("crit-empty", {**plain, "crit": []})
jws("crit-absent", {k: v for k, v in plain.items() if k != "crit"})
jws("crit-without-header", {**plain, "crit": plain["crit"] + ["io.cncf.notary.expiry"]})
jws("both-times", {**plain, "crit": plain["crit"] + ["io.cncf.notary.authenticSigningTime"], "io.cncf.notary.authenticSigningTime": "2026-11-01T00:00:00Z"})
jws("no-time", {k: v for k, v in plain.items() if not k.endswith("Time")})
jws("no-scheme", {**{k: v for k, v in plain.items() if not k.endswith("Scheme")}})
jws("unknown-scheme", {**plain, "io.cncf.notary.signingScheme": "notary.x509.other"})
jws("time-no-time", {**plain, "io.cncf.notary.signingTime": "yesterday"})
jws("alg-none", {**plain, "alg": "none"})
jws("alg-hmac", {**plain, "alg": "HS256"})
jws("alg-other", {**plain, "alg": "ES384"}, hash_name="sha384")
jws("cty-other", {**plain, "cty": "application/json"})
jws("header-twice", json.dumps(plain).replace('"alg"', '"cty": "application/json", "alg"', 1).encode())
jws("no-json", b"hello")
jws("deep-header", json.dumps({**plain, "com.example.may": 1})[:-2].encode() + b"[" * 5000 + b"]" * 5000 + b"}")
jws("payload-twice", plain, payload()[:-2] + b', "digest": "sha256:' + b"0" * 64 + b'"}}')
jws("payload-more", plain, json.dumps({"targetArtifact": target, "also": target}).encode())
jws("payload-array", plain, json.dumps({"targetArtifact": [target, target]}).encode())
jws("payload-descriptor-more", plain, payload(other=1))
jws("payload-digest-weak", plain, payload(digest="sha1:" + hashlib.sha1(data).hexdigest()))
jws("payload-size", plain, payload(size=len(data) + 1))
jws("payload-size-negative", plain, payload(size=-1))
jws("payload-trailing", plain, payload() + b"{}")
jws("payload-image-type", plain, payload(mediaType="application/vnd.oci.image.manifest.v1+json"))
jws("payload-sha512", plain, payload(digest="sha512:" + hashlib.sha512(data).hexdigest()))
jws("payload-sha512-other", plain, payload(digest="sha512:" + hashlib.sha512(b"other").hexdigest()))
image = (folder / "manifest.json").read_bytes()
image = {"digest": "sha256:" + hashlib.sha256(image).hexdigest(), "size": len(image)}
jws("image-as-file", plain, payload(**image))
jws("signed-by-root", plain, chain=("root",), key="root")
jws("other-key", plain, key="bob")

cose("untagged", as_cose(plain), tag=19)
cose("plugin", as_cose({**plain, "crit": plain["crit"] + ["io.cncf.notary.verificationPlugin"], "io.cncf.notary.verificationPlugin": "x"}))
cose("unknown-loose", {**as_cose(plain), "com.example.may": [1, {"a": b""}], 99: "x"})
cose("crit-absent", {k: v for k, v in as_cose(plain).items() if k != 2})
cose("alg-hmac", {**as_cose(plain), 1: 5})
cose("header-twice", None, raw=cbor(as_cose(plain)).replace(b"\xa5", b"\xa6", 1) + cbor(3) + cbor("application/json"))
cose("time-untagged", {**as_cose(plain), "io.cncf.notary.signingTime": EPOCH})
cose("time-text", {**as_cose(plain), "io.cncf.notary.signingTime": (0, "2026-11-01T00:00:00Z")})
cose("header-trailing", None, raw=cbor(as_cose(plain)) + b"\0")
cose("header-indefinite", None, raw=b"\xbf" + cbor(as_cose(plain))[1:] + b"\xff")
cose("header-deep", None, raw=cbor({**as_cose(plain), "x": 0})[:-1] + b"\x81" * 20000 + b"\0")
cose("header-many", {**as_cose(plain), **{f"x{i}": 1 for i in range(100)}})
cose("unprotected-unknown", as_cose(plain), unprotected={33: [der("alice"), der("root")], "x": 1})
cose("chain-long", as_cose(plain), unprotected={33: [der("alice")] * 9})
cose("chain-none", as_cose(plain), unprotected={"io.cncf.notary.signingAgent": "x"})
