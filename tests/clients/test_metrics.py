"""`GET /metrics`: counts for Prometheus, for the host itself only, and without a name of anything."""

import socket
import urllib.error
import urllib.request

import pytest


def scrape(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", headers=headers), timeout=10) as answer:
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return answer.read().decode()


def samples(text):
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_requests_are_counted_by_outcome(dev, secrets, name, value):
    url = dev.variables["AWS_ENDPOINT_URL"]
    before = samples(scrape(url))
    secrets.create_secret(Name=name, SecretString=value)
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.describe_secret(SecretId=f"{name}/none")
    text = scrape(url)
    after = samples(text)
    for outcome in ("served", "refused"):
        sample = f'sealdock_requests_total{{outcome="{outcome}"}}'
        assert after[sample] == before[sample] + 1
    assert name not in text and value not in text


def test_the_unix_socket_has_them_too(served):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(served.socket))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200") and b"sealdock_requests_total" in answer


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"X-Forwarded-For": "192.0.2.1"}, {"Via": "1.1 proxy"}], ids=str
)
def test_pages_and_proxies_get_none(dev, headers):
    with pytest.raises(urllib.error.HTTPError) as refused:
        scrape(dev.variables["AWS_ENDPOINT_URL"], **headers)
    assert refused.value.code == 400 and b"UnknownOperationException" in refused.value.read()
