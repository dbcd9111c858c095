"""What the listener does with requests that are not what they should be: signatures, dates, sizes, slow and odd clients."""

import concurrent.futures
import datetime
import hashlib
import json
import socket
import time
from urllib.parse import urlsplit

import pytest

import broker as brokers
import conftest
import raw
from expect import Matching, refused

GET = "secretsmanager.GetSecretValue"


@pytest.fixture(scope="module")
def endpoint(dev):
    return dev.variables["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def key(dev):
    return conftest.dev_key(dev)


@pytest.fixture
def secret(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    return json.dumps({"SecretId": name}).encode()


def refuse(answer, value, *codes, status=(400, 403)):
    assert answer.status in (status if isinstance(status, tuple) else (status,)), answer.body
    assert answer.code in codes, answer.body
    assert value.encode() not in answer.body


def hours(count):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=count)


class TestSignatures:
    """Each begins from a request that is right; the right one is answered."""

    def test_right(self, endpoint, key, secret, value):
        answer = raw.send(endpoint, key, "secretsmanager", GET, secret)
        assert answer.status == 200 and answer.json["SecretString"] == value

    def test_none(self, endpoint, secret, value):
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": GET}
        refuse(raw.transmit(endpoint, headers, secret), value, "MissingAuthenticationTokenException")

    def test_a_wrong_secret_key(self, endpoint, key, secret, value):
        answer = raw.send(endpoint, (key[0], "x" * 40), "secretsmanager", GET, secret)
        refuse(answer, value, "InvalidSignatureException")

    def test_an_unknown_access_key(self, endpoint, key, secret, value):
        answer = raw.send(endpoint, ("AKIAAAAAAAAAAAAAAAAA", key[1]), "secretsmanager", GET, secret)
        refuse(answer, value, "UnrecognizedClientException")

    @pytest.mark.parametrize("position", [0, 31, 63])
    def test_one_wrong_digit(self, endpoint, key, secret, value, position):
        headers = raw.signed_headers(endpoint, key, "secretsmanager", GET, secret)
        start, signature = headers["Authorization"].rsplit("=", 1)
        digit = "0" if signature[position] != "0" else "1"
        headers["Authorization"] = f"{start}={signature[:position]}{digit}{signature[position + 1:]}"
        refuse(raw.transmit(endpoint, headers, secret), value, "InvalidSignatureException")

    def test_another_body(self, endpoint, key, secret, value):
        headers = raw.signed_headers(endpoint, key, "secretsmanager", GET, b'{"SecretId": "another"}')
        refuse(raw.transmit(endpoint, headers, secret), value, "InvalidSignatureException")

    def test_another_body_with_its_own_hash(self, endpoint, key, secret, value):
        """The header that gives the body's hash is itself signed, or is not believed."""
        headers = raw.signed_headers(endpoint, key, "secretsmanager", GET, b'{"SecretId": "another"}')
        headers["X-Amz-Content-SHA256"] = hashlib.sha256(secret).hexdigest()
        refuse(raw.transmit(endpoint, headers, secret), value, "InvalidSignatureException")

    def test_another_operation(self, endpoint, key, secret, value):
        headers = raw.signed_headers(endpoint, key, "secretsmanager", "secretsmanager.DescribeSecret", secret)
        headers["X-Amz-Target"] = GET
        refuse(raw.transmit(endpoint, headers, secret), value, "InvalidSignatureException")

    def test_an_operation_that_is_not_signed_for(self, endpoint, key, secret, value):
        """A client has to sign X-Amz-Target, or nothing binds the signature to what it asks."""
        headers = raw.signed_headers(endpoint, key, "secretsmanager", GET, secret)
        headers["Authorization"] = headers["Authorization"].replace(";x-amz-target", "")
        refuse(raw.transmit(endpoint, headers, secret), value, "InvalidSignatureException", "IncompleteSignatureException")

    @pytest.mark.parametrize("service, region", [("ssm", brokers.REGION), ("s3", brokers.REGION)])
    def test_another_service(self, endpoint, key, secret, value, service, region):
        headers = raw.signed_headers(endpoint, key, service, GET, secret, region=region)
        refuse(raw.transmit(endpoint, headers, secret), value, "InvalidSignatureException", "SignatureDoesNotMatch")

    @pytest.mark.parametrize("distance", [-48, -1, 1, 48])
    def test_a_date_that_is_not_now(self, endpoint, key, secret, value, distance):
        answer = raw.send(endpoint, key, "secretsmanager", GET, secret, when=hours(distance))
        refuse(answer, value, "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired")
        assert answer.message == Matching(r"Signature (expired|not yet current): .+")

    @pytest.mark.parametrize("minutes", [-4, 4])
    def test_a_clock_that_is_a_little_off(self, endpoint, key, secret, minutes):
        answer = raw.send(endpoint, key, "secretsmanager", GET, secret, when=hours(minutes / 60))
        assert answer.status == 200

    def test_a_session_token_that_is_none(self, endpoint, key, secret, value):
        answer = raw.send(endpoint, key, "secretsmanager", GET, secret, token="not a token")
        refuse(answer, value, "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException")

    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=",
            "AWS4-HMAC-SHA256 Credential=a/20260101/r/secretsmanager/aws4_request, SignedHeaders=, Signature=0",
            "Basic dXNlcjpwYXNz",
            "Bearer token",
            "AWS4-ECDSA-P256-SHA256 Credential=a, SignedHeaders=b, Signature=c",
            "A" * 5000,
        ],
    )
    def test_an_authorization_header_that_is_none(self, endpoint, secret, value, authorization):
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": GET,
            "X-Amz-Date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
            "Authorization": authorization,
        }
        answer = raw.transmit(endpoint, headers, secret)
        refuse(
            answer, value, "IncompleteSignatureException", "MissingAuthenticationTokenException",
            "UnrecognizedClientException", "InvalidSignatureException",
        )  # fmt: skip

    def test_a_signature_can_be_used_again(self, endpoint, key, secret):
        """As with AWS: within its time window, a signed request is the same request however often it is sent."""
        headers = raw.signed_headers(endpoint, key, "secretsmanager", GET, secret)
        assert [raw.transmit(endpoint, headers, secret).status for _ in range(2)] == [200, 200]


class TestShapes:
    @pytest.mark.parametrize(
        "target",
        ["", "garbage", "secretsmanager.", ".GetSecretValue", "secretsmanager.NoSuchOperation", "AmazonSSM.GetSecretValue",
         "DynamoDB_20120810.ListTables", "secretsmanager.getsecretvalue", "x" * 4000],
    )  # fmt: skip
    def test_targets_of_no_operation(self, endpoint, key, secret, value, target):
        answer = raw.send(endpoint, key, "secretsmanager", target, secret)
        refuse(answer, value, "UnknownOperationException", status=(400, 404))

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
    def test_other_methods(self, endpoint, method):
        answer = raw.transmit(endpoint, {}, b"", method=method)
        assert 400 <= answer.status < 500

    @pytest.mark.parametrize("path", ["/", "/favicon.ico", "/latest/meta-data/", "/..%2f..%2fetc/passwd", "/?Action=x"])
    def test_a_browser(self, endpoint, path):
        answer = raw.transmit(endpoint, {"Accept": "text/html"}, None, method="GET", path=path)
        assert 400 <= answer.status < 500
        assert "access-control-allow-origin" not in answer.headers

    def test_no_answer_may_be_kept_by_a_cache(self, endpoint, key, secret):
        answer = raw.send(endpoint, key, "secretsmanager", GET, secret)
        assert answer.headers["content-type"] == "application/x-amz-json-1.1"
        assert "x-amzn-requestid" in answer.headers
        assert "server" not in answer.headers or "sealdock" not in answer.headers["server"].lower()

    def test_a_body_that_is_too_large(self, endpoint, key):
        body = json.dumps({"Name": "big", "SecretString": "x" * (8 << 20)}).encode()
        try:
            answer = raw.send(endpoint, key, "secretsmanager", "secretsmanager.CreateSecret", body)
        except (BrokenPipeError, ConnectionResetError):
            return  # The broker closed before it had read what it will not take.
        assert answer.status in (400, 413)

    def test_a_body_that_is_said_to_be_too_large(self, endpoint):
        """Refused from the header alone: the body is never sent."""
        url = urlsplit(endpoint)
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: secretsmanager.GetSecretValue\r\n"
                b"Content-Length: 99999999999\r\n\r\n"
            )
            first = connection.recv(4096)
        assert first.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))

    @pytest.mark.parametrize(
        "request_bytes",
        [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"\x00" * 64,
         b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
         b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         b"A" * 100_000],
        ids=["zeros", "cut", "version", "tls", "negative", "smuggled", "endless"],
    )  # fmt: skip
    def test_what_is_not_http(self, endpoint, key, secret, request_bytes):
        url = urlsplit(endpoint)
        with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
            try:
                connection.sendall(request_bytes)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(4096)
            except ConnectionError:
                answer = b""
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 505"))
        assert raw.send(endpoint, key, "secretsmanager", GET, secret).status == 200


class TestSlowClients:
    """On a broker of its own, whose configuration gives clients two seconds instead of the default."""

    @pytest.fixture(scope="class")
    def impatient(self, tmp_path_factory):
        directory = tmp_path_factory.mktemp("slow") / "data"
        broker = brokers.dev(directory)
        broker.stop()
        with open(directory / "sealdock.toml", "a") as file:
            file.write("\n[limits]\nheader-seconds = 2\nbody-seconds = 2\nconnections = 60\n")
        broker = brokers.dev(directory)
        yield broker
        broker.kill()

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"POST / HTTP/1.1\r\nHost: x\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: secretsmanager.GetSecretValue\r\n"
            b"Content-Type: application/x-amz-json-1.1\r\nContent-Length: 100\r\n\r\n{",
        ],
        ids=["nothing", "headers that never end", "a body that never comes"],
    )
    def test_they_are_cut_off(self, impatient, start):
        begun = time.monotonic()
        with self.connection(impatient) as connection:
            connection.sendall(start)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionError:
                pass
        assert 1 < time.monotonic() - begun < 10

    def test_one_byte_at_a_time(self, impatient):
        """The time is for the whole header: a byte now and then does not extend it."""
        begun = time.monotonic()
        with self.connection(impatient) as connection:
            with pytest.raises(ConnectionError):
                for byte in b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 200:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)
        assert time.monotonic() - begun < 10

    def test_they_do_not_keep_others_waiting(self, impatient):
        endpoint, key = impatient.variables["AWS_ENDPOINT_URL"], conftest.dev_key(impatient)
        stalled = [self.connection(impatient) for _ in range(50)]
        try:
            for connection in stalled:
                connection.sendall(b"POST / HTTP/1.1\r\n")
            begun = time.monotonic()
            assert raw.send(endpoint, key, "secretsmanager", "secretsmanager.ListSecrets", {}).status == 200
            assert time.monotonic() - begun < 1.5
        finally:
            for connection in stalled:
                connection.close()

    def test_more_connections_than_there_may_be(self, impatient):
        """Beyond the limit a client waits or is turned away; when the others are gone it is served."""
        endpoint, key = impatient.variables["AWS_ENDPOINT_URL"], conftest.dev_key(impatient)
        held = [self.connection(impatient) for _ in range(100)]
        time.sleep(0.2)
        for connection in held:
            connection.close()
        assert raw.send(endpoint, key, "secretsmanager", "secretsmanager.ListSecrets", {}).status == 200

    @staticmethod
    def connection(broker):
        url = urlsplit(broker.variables["AWS_ENDPOINT_URL"])
        return socket.create_connection((url.hostname, url.port), timeout=20)


def test_many_at_once(secrets, name):
    """Concurrent writers of one secret: every version is whole, and one of them is current."""
    secrets.create_secret(Name=name, SecretString="canary-8f1d first")

    def put(number):
        try:
            return secrets.put_secret_value(SecretId=name, SecretString=f"canary-8f1d {number}")["VersionId"]
        except secrets.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in {"InternalServiceError", "LimitExceededException", "ThrottlingException"}
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = [version for version in pool.map(put, range(40)) if version]
    assert len(made) == 40
    current = secrets.get_secret_value(SecretId=name)
    assert current["VersionId"] in made
    labels = secrets.describe_secret(SecretId=name)["VersionIdsToStages"].values()
    assert sorted(label for one in labels for label in one) == ["AWSCURRENT", "AWSPREVIOUS"]


def test_only_loopback():
    """`sealdock dev` has plain HTTP and a principal that may do everything: it does not listen on a network."""
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
        run = brokers.sealdock("dev", "--listen", address, timeout=20)
        assert run.returncode != 0
        assert "loopback" in run.stderr.lower()
        assert "export" not in run.stdout


def test_the_answer_to_a_stranger_does_not_depend_on_the_secret(secrets, endpoint, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    answers = []
    for identifier in (name, name + "-missing"):
        answer = raw.send(
            endpoint, ("AKIAAAAAAAAAAAAAAAAA", "x" * 40), "secretsmanager", GET, {"SecretId": identifier}
        )
        answers.append((answer.status, answer.json))
    assert answers[0] == answers[1]


def test_refused_is_the_helper_it_says(secrets):
    """The check of refusals itself fails when the text is another."""
    with pytest.raises(AssertionError):
        with refused("ResourceNotFoundException", "something else"):
            secrets.get_secret_value(SecretId="nothing/of/that/name")
