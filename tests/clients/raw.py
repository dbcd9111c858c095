"""Requests that no client library would send: signed by botocore's own signer, or deliberately not quite.

    answer = raw.send(endpoint, key, "secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": 5})
    answer.status, answer.code, answer.message, answer.json
"""

import datetime
import http.client
import json
import ssl
from dataclasses import dataclass
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from broker import REGION

TARGETS = {"secretsmanager": "secretsmanager", "ssm": "AmazonSSM", "kms": "TrentService"}
TIMEOUT = 20


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error code as clients read it: without a namespace in front and without a URL behind."""
        return self.json["__type"].rsplit("#", 1)[-1].split(":", 1)[0]

    @property
    def message(self):
        return self.json.get("message", self.json.get("Message", ""))


def signed_headers(endpoint, key, service, target, body, when=None, region=REGION, token=None):
    """The headers of a correctly signed AWS JSON 1.1 request."""
    request = AWSRequest(
        "POST",
        endpoint + "/",
        data=body,
        headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target},
    )
    now = when or datetime.datetime.now(datetime.timezone.utc)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: now.replace(tzinfo=None)):
        botocore.auth.SigV4Auth(Credentials(key[0], key[1], token), service, region).add_auth(request)
    return dict(request.headers.items())


def transmit(endpoint, headers, body, method="POST", path="/", ca=None, timeout=TIMEOUT):
    """Sends exactly this, and returns the whole answer."""
    url = urlsplit(endpoint)
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=str(ca))
        connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def send(endpoint, key, service, target, body, **more):
    """A signed request with any body: bytes as they are, everything else as JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return transmit(endpoint, signed_headers(endpoint, key, service, target, body, **more), body)


def sender(endpoint, key, service):
    """`call(operation, body)` for one service."""
    return lambda operation, body: send(endpoint, key, service, f"{TARGETS[service]}.{operation}", body)
