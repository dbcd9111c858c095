"""What a request costs with 100, 1,000, 10,000 and 100,000 secrets in the vault.

    value      GetSecretValue by name, and by ARN without its last six characters: milliseconds a request
    batch      BatchGetSecretValue of 20 secrets, by list and by filter: milliseconds a secret
    page       ListSecrets, pages of 100 from the middle of the list, in each order and with a filter: milliseconds a secret

The secrets are made through the API, over many connections at once, so that they share commits; over the Unix socket,
where the operator's requests need no signature. Each figure is the median of many requests on one connection.
"""

import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

import broker as brokers  # noqa: E402

SIZES = [int(size) for size in os.environ.get("SIZES", "100,1000,10000,100000").split(",")]
CONNECTIONS = 32
REQUESTS = 60
ORDERS = ["created-date", "last-changed-date", "last-accessed-date", "name"]


class Operator(http.client.HTTPConnection):
    """One connection of the account's root, over the broker's Unix socket."""

    def __init__(self, broker):
        super().__init__("localhost", timeout=60)
        self.path = str(broker.socket)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)

    def call(self, operation, **request):
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"secretsmanager.{operation}"}
        self.request("POST", "/", body=json.dumps(request), headers=headers)
        response = self.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return json.loads(answer)


def name_of(number):
    # Spread over the names, so that the order of names is not that of creation.
    return f"bench/{number % 100:02}/s{number:06}"


def fill(broker, first, last):
    def make(numbers):
        operator = Operator(broker)
        for number in numbers:
            operator.call(
                "CreateSecret", Name=name_of(number), SecretString="x" * 64, ClientRequestToken=f"bench-{number:032}"
            )

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(make, [range(first + start, last, CONNECTIONS) for start in range(CONNECTIONS)]))


def milliseconds(calls):
    """The median time of calls, each of which says how many secrets it was about."""
    times = []
    for call in calls:
        begun = time.perf_counter()
        secrets = call()
        times.append((time.perf_counter() - begun) * 1000 / secrets)
    return statistics.median(times)


def measure(broker, size):
    operator = Operator(broker)
    step = max(size // REQUESTS, 1)
    names = [name_of(number) for number in range(0, size, step)][:REQUESTS]
    partial = [operator.call("DescribeSecret", SecretId=name)["ARN"][:-7] for name in names]

    def get(id):
        operator.call("GetSecretValue", SecretId=id)
        return 1

    def batch(**request):
        answer = operator.call("BatchGetSecretValue", **request)
        assert not answer["Errors"], answer
        return len(answer["SecretValues"])

    def page(**request):
        return len(operator.call("ListSecrets", MaxResults=100, **request)["SecretList"])

    def middle(**request):
        """The token of a page as far from both ends as can be reached within 50 pages."""
        token = {}
        for _ in range(min(size // 200, 50)):
            token = {"NextToken": operator.call("ListSecrets", MaxResults=100, **token, **request)["NextToken"]}
        return {**token, **request}

    figures = {
        "GetSecretValue, name": milliseconds(lambda id=name: get(id) for name in names),
        "GetSecretValue, partial ARN": milliseconds(lambda id=arn: get(id) for arn in partial),
        "BatchGetSecretValue, list": milliseconds(
            lambda at=number: batch(SecretIdList=[name_of((at + offset) % size) for offset in range(20)])
            for number in range(0, size, step)
        ),
        "BatchGetSecretValue, filter": milliseconds(
            lambda: batch(Filters=[{"Key": "name", "Values": ["bench/0"]}], MaxResults=10) for _ in range(REQUESTS)
        ),
    }
    for order in ORDERS:
        request = middle(SortBy=order)
        figures[f"ListSecrets, {order}"] = milliseconds(lambda: page(**request) for _ in range(REQUESTS))
    filtered = {"Filters": [{"Key": "all", "Values": ["bench"]}]}
    figures["ListSecrets, filter"] = milliseconds(lambda: page(**filtered) for _ in range(REQUESTS))
    return figures


def main():
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as scratch:
        broker = brokers.served(Path(scratch) / "data")
        filled, columns = 0, []
        for size in SIZES:
            begun = time.perf_counter()
            fill(broker, filled, size)
            rate = (size - filled) / (time.perf_counter() - begun)
            filled = size
            columns.append(measure(broker, size))
            print(f"{size} secrets, made at {rate:.0f} a second", file=sys.stderr)
        print(f"{'milliseconds a secret':30}" + "".join(f"{size:>10,}" for size in SIZES))
        for figure in columns[0]:
            print(f"{figure:30}" + "".join(f"{column[figure]:10.3f}" for column in columns))
        broker.stop()


if __name__ == "__main__":
    main()
