"""Rotation functions for the tests: an HTTP endpoint that speaks the Lambda invoke protocol.

What an invocation does is set for each secret: `Endpoint.rotations[name] = function(event, secrets)`. It raises to fail.
`rotate` is a function that keeps AWS's rules for one and has no service behind it.
"""

import http.server
import json
import ssl
import threading
import time
import uuid

INVOCATIONS = "/2015-03-31/functions/function/invocations"


class Endpoint:
    """An HTTP endpoint on a free port; `events` are those that it was called with.

    With `tls`, a certificate and its key as PEM files, it is an HTTPS endpoint.
    """

    def __init__(self, tls=None):
        self.rotations = {}
        self.events = []
        self.secrets = None
        outer = self

        class Invocations(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.events.append(event)
                status, answer, headers = 200, None, {}
                if self.path != INVOCATIONS:
                    status, answer = 404, {}
                else:
                    try:
                        outer.call(event)
                    except Exception as error:
                        answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
                        # Runtime interface emulators leave the header out; Lambda does not.
                        if not isinstance(error, LookupError):
                            headers["X-Amz-Function-Error"] = "Unhandled"
                body = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Invocations)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake belongs to the connection's thread, not to the one that accepts.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def call(self, event):
        name = event["SecretId"].split(":secret:")[1][:-7]
        self.rotations.get(name, rotate)(event, self.secrets)

    def steps(self, arn):
        return [event["Step"] for event in self.events if event["SecretId"] == arn]

    def close(self):
        self.server.shutdown()


def rotate(event, secrets):
    """What a rotation function does, without a service whose password it changes."""
    arn, token = event["SecretId"], event["ClientRequestToken"]
    pending = {"SecretId": arn, "VersionId": token, "VersionStage": "AWSPENDING"}
    match event["Step"]:
        case "createSecret":
            try:
                secrets.get_secret_value(**pending)
            except secrets.exceptions.ResourceNotFoundException:
                current = secrets.get_secret_value(SecretId=arn)["SecretString"]
                secrets.put_secret_value(
                    SecretId=arn,
                    ClientRequestToken=token,
                    SecretString=f"{current.split('+')[0]}+{uuid.uuid4().hex}",
                    VersionStages=["AWSPENDING"],
                    RotationToken=event["RotationToken"],
                )
        case "setSecret" | "testSecret":
            secrets.get_secret_value(**pending)
        case "finishSecret":
            versions = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]
            current = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
            if current != token:
                secrets.update_secret_version_stage(
                    SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
                )


def eventually(condition, seconds=30):
    """The first true value of `condition()`, which is asked until there is one."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("waited in vain")
