"""The agent under attack: requests that no client sends, names that try to be something else, and clients that hold on."""

import json
import socket
import threading
import time
import urllib.parse

import pytest

import broker as brokers
import conftest
from test_agent import ALLOWED, TOKEN, Agent, account, agent, broker, wait_until, writer  # noqa: F401  (fixtures)


def place(agent):
    found = urllib.parse.urlsplit(agent.url)
    return found.hostname, found.port


def exchange(agent, sent, timeout=20):
    """What comes back for these bytes until the agent closes the connection."""
    with socket.create_connection(place(agent), timeout=timeout) as connection:
        connection.sendall(sent)
        answer = b""
        try:
            while more := connection.recv(65536):
                answer += more
        except ConnectionError:
            pass
        return answer


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def head(path="/v1/app/one", *lines, method="GET", version="HTTP/1.1"):
    lines = [f"{method} {path} {version}", "Host: localhost", f"X-Aws-Parameters-Secrets-Token: {TOKEN}", *lines]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


@pytest.fixture(scope="module", autouse=True)
def secrets(writer):
    writer["secretsmanager"].create_secret(Name="app/one", SecretString=f"{conftest.CANARY}-one")
    writer["secretsmanager"].create_secret(Name="other", SecretString=f"{conftest.CANARY}-other")
    writer["ssm"].put_parameter(Name="/app/p", Value=f"{conftest.CANARY}-p", Type="SecureString")


@pytest.fixture(autouse=True)
def it_still_serves(agent):
    yield
    assert agent.ask("/ping", token=None) == (200, "healthy")
    assert agent.ask("/v1/app/one")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET /v1/app/one\r\n\r\n",
        b"GET /v1/app/one HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /v1/app/\xff\xfe HTTP/1.1\r\n\r\n",
        head("/v1/app/one", "Bad Header: x"), head("/v1/app/one", "X: a\x00b"), head("/v1/ app/one"),
        head("/v1/app/one", "Content-Length: x", method="POST"), head("/v1/app/one", "X: " + "a" * 200_000),
        head("/v1/" + "a" * 100_000), head("/v1/app/one", *(f"X-{n}: 1" for n in range(500))),
        head("/v1/app/one", "Transfer-Encoding: chunked", "Content-Length: 3", method="POST") + b"zzz",
    ],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_request_gets_no_value(agent, sent):
    answer = exchange(agent, sent)
    assert conftest.CANARY.encode() not in answer
    assert status(answer) in (None, 400, 403, 405, 414, 431, 505), answer[:200]


def test_one_request_a_connection(agent):
    answer = exchange(agent, head() + head("/v1/app/one") + b"GET /ping HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.count(conftest.CANARY.encode()) == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["X-Forwarded-For: 10.0.0.1"], ["x-forwarded-for:"], ["X-FORWARDED-FOR: ,"], ["X-Forwarded-for: a", "X-Forwarded-For: b"],
        ["Connection: x-forwarded-for", "X-Forwarded-For: ::1"],
    ],
)  # fmt: skip
def test_what_was_passed_on_is_refused_however_it_is_spelt(agent, lines):
    answer = exchange(agent, head("/v1/app/one", *lines))
    assert status(answer) == 400 and answer.endswith(b"Forwarded")


@pytest.mark.parametrize(
    "token",
    ["", " ", TOKEN.upper(), TOKEN + " x", TOKEN + "\t,", f"{TOKEN},{TOKEN}", f'"{TOKEN}"', "a" * 40_000, f"Bearer {TOKEN}"],
)
def test_what_is_not_the_token(agent, token):
    if token == TOKEN.upper() == TOKEN:
        pytest.skip("a token without letters")
    sent = f"GET /v1/app/one HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\n\r\n".encode()
    answer = exchange(agent, sent)
    assert (status(answer), answer.rsplit(b"\r\n", 1)[1]) == (403, b"Bad Token")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/other", "/v1//other", "/v1/../v1/other", "/v1/app/../other", "/v1/app%2F..%2Fother", "/v1/app/one%00other", "/v1/*", "/v1/app/%2A",
        "/v1/app/one;x", "/v1/%FF%FE", "/v1/app/one/", "/secretsmanager/get?secretId=app%2F*", "/secretsmanager/get?secretId=app/one%0A",
        "/secretsmanager/get?secretId=app/one&secretId=other", "/secretsmanager/get?secretId=app/one&versionId=",
        "/secretsmanager/get?secretId=app/one&versionStage=", "/secretsmanager/get?secretid=app/one", "/secretsmanager/get?secretId=app+one",
        "/secretsmanager/get?%73ecretId=other", "/SecretsManager/get?secretId=app/one", "//secretsmanager/get?secretId=app/one",
        "/systemsmanager/parameters/get?name=%2Fapp%2Fp%3A1&version=1", "/systemsmanager/parameters/get?name=%2Fapp%2Fp&label=1&label=2",
        "/systemsmanager/parameters/get?name=%2Fapp%2Fp&version=-1", "/systemsmanager/parameters/get?name=%2Fapp%2Fp&version=99999999999999999999",
        "/systemsmanager/parameters/get?name=app%2Fp%00", "/systemsmanager/parameters/get?name=%2Fapp%2F%2E%2E%2Fp", "/?secretId=app/one", "/start_serving",
    ],
)  # fmt: skip
def test_a_name_is_only_a_name(agent, path):
    answer = exchange(agent, head(path))
    assert conftest.CANARY.encode() not in answer
    assert status(answer) in (400, 404), answer


@pytest.mark.parametrize(
    "path", ["/secretsmanager/get?secretId=%61pp%2Fone", "/secretsmanager/get?&secretId=app/one&", "/v1/%61pp%2fone", "http://localhost:2773/v1/app/one"]
)
def test_a_name_may_be_encoded(agent, path):
    answer = exchange(agent, head(path))
    assert status(answer) == 200 and f"{conftest.CANARY}-one".encode() in answer


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "GE%54"])
def test_only_get_is_served(agent, method):
    answer = exchange(agent, head("/v1/app/one", "Content-Length: 0", method=method))
    assert conftest.CANARY.encode() not in answer and status(answer) in (400, 403, 404, 405), answer


def test_a_page_in_a_browser_gets_nothing(agent):
    """A preflight has no token, and no answer allows an origin."""
    preflight = b"OPTIONS /v1/app/one HTTP/1.1\r\nOrigin: http://evil\r\nAccess-Control-Request-Headers: x-aws-parameters-secrets-token\r\n\r\n"
    assert status(exchange(agent, preflight)) == 403
    assert b"access-control" not in exchange(agent, head("/v1/app/one", "Origin: http://evil")).lower()


def test_slow_clients_do_not_hold_up_others_and_are_cut_off(broker, tmp_path):
    agent = Agent(broker, tmp_path / "agent", "--max-conn", "100")
    held = [socket.create_connection(place(agent)) for _ in range(80)]
    cut = []

    def drip(connection):
        begun = time.monotonic()
        try:
            for byte in head("/v1/app/one", "X: " + "a" * 10_000):
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            cut.append(time.monotonic() - begun)

    threads = [threading.Thread(target=drip, args=(connection,), daemon=True) for connection in held]
    for thread in threads:
        thread.start()
    for _ in range(10):
        begun = time.monotonic()
        assert agent.ask("/v1/app/one")[0] == 200
        assert time.monotonic() - begun < 3
    for thread in threads:
        thread.join(timeout=20)
    assert len(cut) == 80 and max(cut) < 15
    assert agent.stop() == 0


def test_a_flood_of_connections_is_refused_and_passes(broker, tmp_path):
    agent = Agent(broker, tmp_path / "agent", "--max-conn", "5")
    held = [socket.create_connection(place(agent)) for _ in range(200)]
    try:
        answers = []
        for connection in held[100:]:
            connection.settimeout(10)
            try:
                connection.sendall(head())
                answers.append(connection.recv(65536))
            except OSError:
                answers.append(b"")
        assert all(conftest.CANARY.encode() not in answer for answer in answers)
        assert all(status(answer) in (None, 429) for answer in answers)
    finally:
        for connection in held:
            connection.close()

    def served():
        try:
            return agent.ask("/v1/app/one")[0] == 200
        except ConnectionError:
            # One of those that it takes no request from, until it has seen the others go.
            return False

    wait_until(served)
    assert agent.stop() == 0


def test_many_readers_at_once_are_all_on_record(broker, agent, writer):
    writer["secretsmanager"].create_secret(Name="app/many", SecretString="x")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(agent.ask("/v1/app/many")[0])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 40
    found = brokers.sealdock("audit", "search", "--data", broker.directory, "--json", "--limit", "10000", "--event", "GetSecretValue").stdout
    assert sum("app/many" in json.dumps(json.loads(line).get("requestParameters")) for line in found.splitlines()) == 40
