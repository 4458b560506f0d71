"""A time stamp authority by `openssl ts`: tsa.py FOLDER NAME KEY serves on loopback; with ENVELOPE TOKEN [HASH] it stamps a JWS envelope's signature."""
import base64, http.server, json, pathlib, subprocess, sys

folder, name, key = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
config = folder / "ts.cnf"
config.write_text(
    f"""[tsa]
default_tsa = any
[any]
serial = {folder}/ts.serial
crypto_device = builtin
signer_cert = {folder}/{name}.crt
certs = {folder}/tsa-root.crt
signer_key = {folder}/{key}
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""
)
if not (folder / "ts.serial").exists():
    (folder / "ts.serial").write_text("01\n")


def openssl(*arguments):
    return subprocess.run(["openssl", "ts", *map(str, arguments)], check=True, capture_output=True)


def reply(query):
    (folder / "query.tsq").write_bytes(query)
    openssl("-reply", "-config", config, "-queryfile", folder / "query.tsq", "-out", folder / "reply.tsr")
    return (folder / "reply.tsr").read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = reply(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if len(sys.argv) > 4:
    envelope = json.loads((folder / sys.argv[4]).read_text())
    signature = base64.urlsafe_b64decode(envelope["signature"] + "==")
    (folder / "signature").write_bytes(signature)
    hash_name = sys.argv[6] if len(sys.argv) > 6 else "sha256"
    openssl("-query", "-data", folder / "signature", f"-{hash_name}", "-cert", "-out", folder / "q.tsq")
    reply((folder / "q.tsq").read_bytes())
    openssl("-reply", "-in", folder / "reply.tsr", "-token_out", "-out", folder / sys.argv[5])
else:
    http.server.HTTPServer(("127.0.0.1", 5078), Handler).serve_forever()
