#!/usr/bin/env python3
"""Makes the files of this folder: a Sigstore instance of our own (certificate authority, certificate transparency log, Rekor v1 and v2,
timestamp authority), and bundles that it would and would never make. Run by make.sh, which says what else is needed.

Each line of the table at the end is one file. The first of them are good; the others differ from one in what only the holder of a
key of the instance or of the signer could write. What anybody could change is an `edit` in cases.ndjson instead.
"""
import base64, datetime, hashlib, json, os, struct, subprocess, tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ISSUER = "https://token.example.com"
IDENTITY = "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3"
SOURCE = "https://git.example.com/acme/app"
REF = "refs/tags/v1.2.3"
IMAGE = hashlib.sha256(b"the image").hexdigest()
REPOSITORY = "registry.example.com/acme/app"
MINUTE = datetime.timedelta(minutes=1)
SIGNED = datetime.datetime(2026, 11, 1, 12, 0, 0)
START = datetime.datetime(2026, 1, 1)
END = datetime.datetime(2036, 1, 1)
FILE = b"a file of the release\n"
OTHER = b"another file of the release\n"

b64 = lambda data: base64.b64encode(data).decode()
sha256 = lambda data: hashlib.sha256(data).digest()
compact = lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
seconds = lambda time: int(time.replace(tzinfo=datetime.timezone.utc).timestamp())
iso = lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ")
spki = lambda key: key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
pem = lambda key: key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
der = lambda cert: cert.public_bytes(serialization.Encoding.DER)


def new_key(kind):
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "p384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def sign(key, data, hash=hashes.SHA256()):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hash))


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example.com"), x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority(subject, key, issuer, issuer_key, usages, start=START, end=END, ca=True):
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
               .add_extension(x509.BasicConstraints(ca, None), True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
               .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), True))
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), not ca)
    return builder.sign(issuer_key, hashes.SHA384())


class Instance:
    """The keys of one instance."""

    def __init__(self):
        self.root_key, self.ca_key, self.ct = new_key("p384"), new_key("p384"), new_key("p256")
        self.rekor, self.rekor2 = new_key("p256"), new_key("ed25519")
        self.tsa_root_key, self.tsa_key = new_key("p384"), new_key("p384")
        self.root = authority("root", self.root_key, "root", self.root_key, None)
        self.ca = authority("intermediate", self.ca_key, "root", self.root_key, [ExtendedKeyUsageOID.CODE_SIGNING])
        self.tsa_root = authority("tsa root", self.tsa_root_key, "tsa root", self.tsa_root_key, None)
        self.tsa = authority("tsa", self.tsa_key, "tsa root", self.tsa_root_key, [ExtendedKeyUsageOID.TIME_STAMPING], ca=False)

    def rekor_id(self):
        return sha256(spki(self.rekor))

    def rekor2_id(self):
        raw = self.rekor2.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return sha256(b"log2.example.com\n\x01" + raw)

    def trusted_root(self, logs=True):
        window = {"start": iso(START)}
        key = lambda key, details: {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": window}
        log = lambda url, k, details, ident: {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": key(k, details), "logId": {"keyId": b64(ident)}}
        chain = lambda *certs: {"certificates": [{"rawBytes": b64(der(cert))} for cert in certs]}
        party = lambda uri, *certs: {"subject": {"organization": "example.com", "commonName": uri}, "uri": "https://" + uri, "certChain": chain(*certs), "validFor": window}
        root = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}
        if logs:
            root["tlogs"] = [log("https://rekor.example.com", self.rekor, "PKIX_ECDSA_P256_SHA_256", self.rekor_id()),
                             log("https://log2.example.com", self.rekor2, "PKIX_ED25519", self.rekor2_id())]
            root["ctlogs"] = [log("https://ct.example.com", self.ct, "PKIX_ECDSA_P256_SHA_256", sha256(spki(self.ct)))]
        root["certificateAuthorities"] = [party("fulcio.example.com", self.ca, self.root)]
        root["timestampAuthorities"] = [party("tsa.example.com", self.tsa, self.tsa_root)]
        return root


US, THEM = Instance(), Instance()


def utf8(text):
    data = text.encode()
    return b"\x0c" + (bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])) + data


def leaf(key, o):
    """The certificate of a signer, with a timestamp of the certificate transparency log in it."""
    start = SIGNED + o["cert_start"] * MINUTE
    builder = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(name("intermediate")).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(start + 10 * MINUTE)
               .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
               .add_extension(x509.ExtendedKeyUsage([o["usage"]]), False)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(o["ca"].ca_key.public_key()), False))
    if o["identity"]:
        san = x509.UniformResourceIdentifier if "://" in o["identity"] else x509.RFC822Name
        builder = builder.add_extension(x509.SubjectAlternativeName([san(o["identity"])]), True)
    if o["leaf_ca"]:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    claims = {8: o["issuer"], 12: o["cert_source"], 14: o["cert_ref"]}
    for number, text in claims.items():
        if text:
            oid = ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, utf8(text)), False)
    if not o["sct"]:
        return builder.sign(o["ca"].ca_key, hashes.SHA384())
    tbs = builder.sign(o["ca"].ca_key, hashes.SHA384()).tbs_certificate_bytes
    if o["sct"] == "other certificate":
        tbs = tbs[:-1] + bytes([tbs[-1] ^ 1])
    log = THEM.ct if o["sct"] == "other log" else US.ct
    stamp = struct.pack(">Q", seconds(start) * 1000)
    signed = b"\x00\x00" + stamp + b"\x00\x01" + sha256(spki(o["ca"].ca_key)) + struct.pack(">I", len(tbs))[1:] + tbs + b"\x00\x00"
    signature = sign(log, signed)
    sct = b"\x00" + sha256(spki(US.ct)) + stamp + b"\x00\x00" + b"\x04\x03" + struct.pack(">H", len(signature)) + signature
    entry = struct.pack(">H", len(sct)) + sct
    if o["sct"] == "twice":
        entry += entry
    scts = struct.pack(">H", len(entry)) + entry
    octets = b"\x04" + (bytes([len(scts)]) if len(scts) < 128 else bytes([0x81, len(scts)]) if len(scts) < 256 else b"\x82" + struct.pack(">H", len(scts))) + scts
    extension = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), octets)
    return builder.add_extension(extension, False).sign(o["ca"].ca_key, hashes.SHA384())


def timestamp(signature, time, instance):
    """A timestamp by OpenSSL's own authority."""
    with tempfile.TemporaryDirectory() as folder:
        path = lambda file: os.path.join(folder, file)
        write = lambda file, data: open(path(file), "wb").write(data)
        write("key", instance.tsa_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        write("cert", instance.tsa.public_bytes(serialization.Encoding.PEM))
        write("chain", instance.tsa_root.public_bytes(serialization.Encoding.PEM))
        write("serial", b"01\n")
        write("data", signature)
        write("config", ("[tsa]\ndefault_tsa=t\n[t]\ndir=%s\nserial=%s\ncrypto_device=builtin\nsigner_cert=%s\nsigner_key=%s\nsigner_digest=sha256\n"
              "default_policy=1.2.3.4\ndigests=sha256,sha384,sha512\naccuracy=secs:1\nordering=yes\ntsa_name=no\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n"
              % (folder, path("serial"), path("cert"), path("key"))).encode())
        run = lambda *command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("openssl", "ts", "-query", "-data", path("data"), "-sha256", "-cert", "-out", path("query"))
        run("faketime", "-f", time.strftime("%Y-%m-%d %H:%M:%S"), "openssl", "ts", "-reply", "-config", path("config"), "-queryfile", path("query"), "-out", path("reply"))
        return open(path("reply"), "rb").read()


def inclusion(body, o, version):
    """A tree of five entries with `body` as its third, its proof and checkpoint."""
    node = lambda left, right: sha256(b"\x01" + left + right)
    leaves = [sha256(b"\x00" + text) for text in (b"0", b"1", body, b"3", b"4")]
    left, right = node(leaves[0], leaves[1]), node(leaves[2], leaves[3])
    root = node(node(left, right), leaves[4])
    proof = [leaves[3], left, leaves[4]]
    origin, key, ident = (("rekor.example.com - 1", US.rekor, US.rekor_id()) if version == 1 else ("log2.example.com", US.rekor2, US.rekor2_id()))
    if o["checkpoint"] == "other key":
        key = THEM.rekor if version == 1 else THEM.rekor2
    text = f"{origin}\n5\n{b64(root)}\n"
    name = "rekor.example.com" if version == 1 else origin
    checkpoint = f"{text}\n\u2014 {name} {b64(ident[:4] + sign(key, text.encode()))}\n"
    return {"logIndex": "2", "rootHash": b64(root), "treeSize": "5", "hashes": [b64(hash) for hash in proof], "checkpoint": {"envelope": checkpoint}}


def log_entry(o, signature, digest, payload, verifier, cert):
    """The entry of a signature; `digest` is what a hashedrekord holds, `payload` that of an envelope."""
    if o["log"] == 2:
        who = {"x509Certificate": {"rawBytes": b64(der(cert))}} if cert else {"publicKey": {"rawBytes": b64(verifier)}}
        body = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": b64(digest)},
            "signature": {"content": b64(signature), "verifier": {"keyDetails": "PKIX_ECDSA_P256_SHA_256", **who}}}}}
    elif payload is None:
        body = {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
            "signature": {"content": b64(signature), "publicKey": {"content": b64(verifier)}}}}
    else:
        body = {"apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": "00" * 32},
            "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
            "signatures": [{"signature": b64(signature), "verifier": b64(verifier)}]}}
    body = compact(body)
    kind = json.loads(body)
    ident = US.rekor_id() if o["log"] == 1 else US.rekor2_id()
    entry = {"logIndex": "2" if o["log"] == 2 else "100002", "logId": {"keyId": b64(ident)}, "kindVersion": {"kind": kind["kind"], "version": kind["apiVersion"]},
             "canonicalizedBody": b64(body)}
    if o["log"] == 1:
        time = seconds(SIGNED + o["logged"] * MINUTE)
        entry["integratedTime"] = str(time)
        if o["set"]:
            promise = compact({"body": b64(body), "integratedTime": time, "logIndex": 100002, "logID": ident.hex()})
            key = THEM.rekor if o["set"] == "other key" else US.rekor
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(sign(key, promise))}
    if o["proof"]:
        entry["inclusionProof"] = inclusion(body, o, o["log"])
    return entry


DEFAULTS = dict(identity=IDENTITY, issuer=ISSUER, key="p256", file=FILE, statement=None, version="0.3", log=1, set=True, proof=True, tsa=None, sct=True,
                cert_start=-1, logged=0, usage=ExtendedKeyUsageOID.CODE_SIGNING, ca=US, leaf_ca=False, cert_source=SOURCE, cert_ref=REF, checkpoint="", tsa_of=US,
                logs=None, tsa_over=None, by_key=None, entries=1, payload_type="application/vnd.in-toto+json", raw=None, chain=False, sha384=False)
MEDIA = {"0.3": "application/vnd.dev.sigstore.bundle.v0.3+json", "0.2": "application/vnd.dev.sigstore.bundle+json;version=0.2", "0.1": "application/vnd.dev.sigstore.bundle+json;version=0.1"}


def bundle(**options):
    o = {**DEFAULTS, **options}
    key = o["by_key"] or new_key(o["key"])
    cert = None if o["by_key"] else leaf(key, o)
    payload = None
    if o["statement"] is not None:
        payload = o["raw"] or json.dumps(o["statement"], separators=(",", ":")).encode()
        signed = b"DSSEv1 %d %s %d %s" % (len(o["payload_type"]), o["payload_type"].encode(), len(payload), payload)
    else:
        signed = o["file"]
    signature = sign(key, signed, hashes.SHA384() if o["sha384"] else hashes.SHA256())
    verifier = cert.public_bytes(serialization.Encoding.PEM) if cert else (pem(key) if o["log"] != 2 else spki(key))
    logged = o["logs"] if o["logs"] is not None else signed
    entries = [log_entry(o, signature, sha256(logged), payload if o["logs"] is None else o["logs"], verifier, cert)] * o["entries"] if o["log"] else []
    if payload is None and o["log"] == 1 and entries:
        entries = [log_entry(o, signature, sha256(logged), None, verifier, cert)] * o["entries"]
    material = {"tlogEntries": entries}
    if cert is None:
        material["publicKey"] = {"hint": b64(sha256(spki(key)))}
    elif o["version"] == "0.3":
        material["certificate"] = {"rawBytes": b64(der(cert))}
    else:
        material["x509CertificateChain"] = {"certificates": [{"rawBytes": b64(der(cert))}] + ([{"rawBytes": b64(der(US.ca))}] if o["chain"] else [])}
    if o["tsa"] is not None:
        over = signature if o["tsa_over"] is None else o["tsa_over"]
        material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": b64(timestamp(over, SIGNED + minutes * MINUTE, o["tsa_of"]))} for minutes in ([o["tsa"]] if isinstance(o["tsa"], int) else o["tsa"])]}
    whole = {"mediaType": MEDIA[o["version"]], "verificationMaterial": material}
    if payload is not None:
        whole["dsseEnvelope"] = {"payload": b64(payload), "payloadType": o["payload_type"], "signatures": [{"sig": b64(signature)}]}
    else:
        whole["messageSignature"] = {"messageDigest": {"algorithm": "SHA2_256", "digest": b64(sha256(signed))}, "signature": b64(signature)}
    if o["sha384"]:
        whole["messageSignature"]["messageDigest"] = {"algorithm": "SHA2_384", "digest": b64(hashlib.sha384(signed).digest())}
    return whole


def older(**options):
    """cosign's older format: the payload, and the annotations of a bundle over it."""
    payload = options.pop("payload", None) or {"critical": {"identity": {"docker-reference": REPOSITORY}, "image": {"docker-manifest-digest": "sha256:" + IMAGE}, "type": "cosign container image signature"}, "optional": None}
    payload = json.dumps(payload, separators=(",", ":")).encode()
    made = bundle(file=payload, version="0.1", proof=False, **options)
    material = made["verificationMaterial"]
    out = {"payload": b64(payload), "signature": made["messageSignature"]["signature"]}
    if "x509CertificateChain" in material:
        raw = base64.b64decode(material["x509CertificateChain"]["certificates"][0]["rawBytes"])
        out["certificate"] = x509.load_der_x509_certificate(raw).public_bytes(serialization.Encoding.PEM).decode()
    for entry in material["tlogEntries"]:
        out["log"] = json.dumps({"SignedEntryTimestamp": entry.get("inclusionPromise", {}).get("signedEntryTimestamp", ""), "Payload": {
            "body": entry["canonicalizedBody"], "integratedTime": int(entry["integratedTime"]), "logIndex": 100002, "logID": base64.b64decode(entry["logId"]["keyId"]).hex()}}, separators=(",", ":"))
    for stamp in material.get("timestampVerificationData", {}).get("rfc3161Timestamps", []):
        out["timestamp"] = json.dumps({"SignedRFC3161Timestamp": stamp["signedTimestamp"]})
    return out


def statement(predicate_type, predicate, subjects, kind="https://in-toto.io/Statement/v1"):
    return {"_type": kind, "subject": subjects, "predicateType": predicate_type, "predicate": predicate}


IMAGE_SUBJECT = {"digest": {"sha256": IMAGE}}
FILE_SUBJECT = {"name": "release.bin", "digest": {"sha256": hashlib.sha256(FILE).hexdigest()}}
OTHER_SUBJECT = {"name": "other.bin", "digest": {"sha256": hashlib.sha256(OTHER).hexdigest()}}
SIGN = "https://sigstore.dev/cosign/sign/v1"
BUILDER = "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3"
SLSA1 = {"buildDefinition": {"buildType": "https://actions.github.io/buildtypes/workflow/v1", "externalParameters": {"workflow": {"ref": REF, "repository": SOURCE, "path": ".github/workflows/release.yml"}}, "internalParameters": {"github": {"event_name": "push"}}, "resolvedDependencies": [{"uri": f"git+{SOURCE}@{REF}", "digest": {"gitCommit": "00" * 20}}]}, "runDetails": {"builder": {"id": BUILDER}, "metadata": {"invocationId": f"{SOURCE}/actions/runs/1/attempts/1"}}}
SLSA0 = {"builder": {"id": BUILDER}, "buildType": "https://git.example.com/generator@v1", "invocation": {"configSource": {"uri": f"git+{SOURCE}@{REF}", "digest": {"sha1": "00" * 20}, "entryPoint": ".github/workflows/release.yml"}}, "metadata": {}, "materials": [{"uri": f"git+{SOURCE}@{REF}"}]}
signed = lambda *subjects, **more: statement(more.pop("predicate_type", SIGN), {}, list(subjects) or [IMAGE_SUBJECT], **more)
provenance = lambda *subjects, **more: statement("https://slsa.dev/provenance/v1", SLSA1, list(subjects) or [OTHER_SUBJECT, FILE_SUBJECT], **more)
changed = lambda value, path, new: {**value, path[0]: new if len(path) == 1 else changed(value[path[0]], path[1:], new)}
at1 = lambda path, new: statement("https://slsa.dev/provenance/v1", changed(SLSA1, path, new), [FILE_SUBJECT])
KEY, OTHER_KEY = new_key("p256"), new_key("p256")
WORKFLOW = ["buildDefinition", "externalParameters", "workflow"]

FILES = {
    # Good ones.
    "file": bundle(),
    "file-0.2": bundle(version="0.2", chain=True),
    "file-0.1": bundle(version="0.1", proof=False),
    "file-timestamp": bundle(tsa=1),
    "file-timestamp-only": bundle(tsa=1, set=False),
    "file-rekor2": bundle(log=2, tsa=1),
    "file-mail": bundle(identity="release@example.com", cert_source="", cert_ref=""),
    "file-p384": bundle(key="p384"),
    "file-rsa": bundle(key="rsa2048"),
    "file-ed25519": bundle(key="ed25519"),
    "file-private": bundle(log=None, sct=None, tsa=1),
    "file-private-sha384": bundle(key="p384", sha384=True, log=None, sct=None, tsa=1),
    "image": bundle(statement=signed()),
    "image-rekor2": bundle(statement=signed(), log=2, tsa=1),
    "image-older": older(),
    "image-older-timestamp": older(tsa=1),
    "image-older-private": older(log=None, sct=None, tsa=1),
    "provenance": bundle(statement=provenance()),
    "provenance-private": bundle(statement=provenance(), log=None, sct=None, tsa=1),
    "provenance-0.2": bundle(statement=statement("https://slsa.dev/provenance/v0.2", SLSA0, [FILE_SUBJECT], kind="https://in-toto.io/Statement/v0.1")),
    "provenance-image": bundle(statement=provenance(IMAGE_SUBJECT)),
    "keyed": bundle(by_key=KEY),
    "keyed-rekor2": bundle(by_key=KEY, log=2),
    "keyed-image": bundle(by_key=KEY, statement=signed()),
    "keyed-provenance": bundle(by_key=KEY, statement=provenance(), log=None),
    # Other people and other things, each in itself in order.
    "file-other-identity": bundle(identity=IDENTITY.replace("acme/app", "evil/app"), cert_source=SOURCE.replace("acme", "evil")),
    "file-other-issuer": bundle(issuer="https://token.example.com.evil.test"),
    "file-other-file": bundle(file=OTHER),
    "image-other-image": bundle(statement=signed(OTHER_SUBJECT)),
    "image-older-other-identity": older(identity=IDENTITY.replace("acme/app", "evil/app")),
    "keyed-other": bundle(by_key=OTHER_KEY),
    # What an authority would have to get wrong.
    "bad-no-identity": bundle(identity="", cert_source="", cert_ref=""),
    "bad-no-issuer": bundle(issuer=""),
    "bad-cert-expired": bundle(cert_start=-20),
    "bad-cert-not-yet": bundle(cert_start=5),
    "bad-cert-usage": bundle(usage=ExtendedKeyUsageOID.SERVER_AUTH),
    "bad-cert-is-authority": bundle(leaf_ca=True),
    "bad-cert-other-authority": bundle(ca=THEM),
    "bad-no-sct": bundle(sct=None),
    "bad-sct-other-log": bundle(sct="other log"),
    "bad-sct-other-certificate": bundle(sct="other certificate"),
    "bad-sct-twice": bundle(sct="twice"),
    "bad-no-log": bundle(log=None, tsa=1),
    "bad-set-other-key": bundle(set="other key"),
    "bad-no-time": bundle(set=False),
    "bad-no-proof": bundle(proof=False),
    "bad-checkpoint-other-key": bundle(checkpoint="other key"),
    "bad-checkpoint2-other-key": bundle(log=2, tsa=1, checkpoint="other key"),
    "bad-log-other-file": bundle(logs=OTHER),
    "bad-log2-other-file": bundle(log=2, tsa=1, logs=OTHER),
    "bad-log-other-payload": bundle(statement=signed(), logs=b"{}"),
    "bad-many-entries": bundle(entries=17),
    "bad-timestamp-late": bundle(tsa=30),
    "bad-timestamp-one-late": bundle(tsa=[1, 30]),
    "bad-timestamp-early": bundle(tsa=-30),
    "bad-timestamp-other-authority": bundle(tsa=1, tsa_of=THEM),
    "bad-timestamp-other-signature": bundle(tsa=1, tsa_over=b"x"),
    "bad-rekor2-no-timestamp": bundle(log=2),
    "bad-rekor2-timestamp-late": bundle(log=2, tsa=30),
    "bad-private-no-timestamp": bundle(log=None, sct=None),
    "bad-older-no-log": older(log=None, tsa=1),
    "bad-older-set": older(set="other key"),
    "bad-older-expired": older(cert_start=-20),
    "bad-older-other-payload": older(logs=OTHER),
    "bad-older-image": older(payload={"critical": {"identity": {"docker-reference": REPOSITORY}, "image": {"docker-manifest-digest": "sha256:" + "0" * 64}, "type": "cosign container image signature"}, "optional": None}),
    "bad-older-repository": older(payload={"critical": {"identity": {"docker-reference": "registry.example.com/evil/app"}, "image": {"docker-manifest-digest": "sha256:" + IMAGE}, "type": "cosign container image signature"}, "optional": None}),
    # What a signer would have to say.
    "bad-type-text": bundle(statement=signed(), payload_type="text/plain", log=2, tsa=1),
    "bad-two-subjects": bundle(statement=signed(OTHER_SUBJECT, IMAGE_SUBJECT)),
    "bad-no-subjects": bundle(statement=statement(SIGN, {}, [])),
    "bad-old-statement": bundle(statement=signed(kind="https://in-toto.io/Statement/v0.1")),
    "bad-predicate": bundle(statement=signed(predicate_type="https://example.com/vulnerable/v1")),
    "bad-subject-twice": bundle(statement={}, raw=json.dumps(signed()).replace('"subject":', '"subject": [], "subject":').encode()),
    "bad-statement-nested": bundle(statement={}, raw=json.dumps(signed()).replace('"predicate": {}', '"predicate": ' + '[' * 300 + ']' * 300).encode()),
    "bad-builder": bundle(statement=at1(["runDetails", "builder", "id"], BUILDER.replace("acme", "evil"))),
    "bad-source": bundle(statement=at1(WORKFLOW + ["repository"], SOURCE.replace("acme", "evil"))),
    "bad-ref": bundle(statement=at1(WORKFLOW + ["ref"], "refs/heads/evil")),
    "bad-no-builder": bundle(statement=at1(["runDetails", "builder"], {})),
    "bad-second-source": bundle(statement=at1(["buildDefinition", "externalParameters", "source"], {"uri": "git+https://git.example.com/evil/app@" + REF})),
    "bad-cert-source": bundle(statement=provenance(), cert_source=SOURCE.replace("acme", "evil")),
    "bad-cert-ref": bundle(statement=provenance(), cert_ref="refs/heads/evil"),
    "bad-provenance-source-unnamed": bundle(statement=at1(["buildDefinition", "externalParameters"], {}), cert_source="", cert_ref=""),
    "bad-keyed-log-other-file": bundle(by_key=KEY, logs=OTHER),
    "bad-keyed-set": bundle(by_key=KEY, set="other key"),
}
US, THEM = THEM, US
DEFAULTS["ca"] = DEFAULTS["tsa_of"] = US
FILES["file-other-instance"] = bundle()
US, THEM = THEM, US

if __name__ == "__main__":
    for name_, value in FILES.items():
        with open(name_ + ".json", "w") as file:
            json.dump(value, file, separators=(",", ":"))
            file.write("\n")
    for name_, value in {"root": US.trusted_root(), "root-private": US.trusted_root(logs=False), "root-other": THEM.trusted_root()}.items():
        with open(name_ + ".json", "w") as file:
            json.dump(value, file, indent=1)
            file.write("\n")
    for name_, data in {"release.bin": FILE, "other.bin": OTHER, "key.pub": pem(KEY), "other-key.pub": pem(OTHER_KEY)}.items():
        open(name_, "wb").write(data)
