"""What requests to Parameter Store cost as the vault grows: the same answer among few parameters and among many.

    python tests/scripts/bench_parameters.py [COUNT ...]        100, 1000, 10000 and 100000 unless said otherwise

Times are medians of one connection's requests, one after another. What counts is the last column: the cost among the
most over the cost among the fewest. It needs no quiet machine for that, since all vaults are asked in turn.
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import ROOT, Session, resident_kib

import broker as brokers

ROUNDS = 200
WRITERS = 48


def ssm(session, operation, request):
    return session.call(operation, request, service="ssm", prefix="AmazonSSM")


def put(session, name, **more):
    ssm(session, "PutParameter", {"Name": name, "Value": "v", "Type": "String"} | more)


def fill(broker, count):
    """Ten parameters under /here, and the others under a hundred paths before and behind it, half of them SecureStrings."""

    def share(writer):
        session = Session(broker)
        for number in range(writer, count - 10, WRITERS):
            kind = ("String", "SecureString")[number // 2 % 2]
            put(session, f"/{'az'[number % 2]}{number % 100:02}/p{number:06}", Type=kind)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(share, range(WRITERS)))
    session = Session(broker)
    for number in range(10):
        put(session, f"/here/p{number}", Type="SecureString", Tier="Advanced", Tags=[{"Key": "team", "Value": "shop"}])


def middle(session):
    """A token in the middle of the list of all parameters, or none if it has one page only."""
    token, tokens = None, []
    while True:
        answer = ssm(session, "DescribeParameters", {"MaxResults": 50} | ({"NextToken": token} if token else {}))
        token = answer.get("NextToken")
        if token is None or len(tokens) > 400:
            return tokens[len(tokens) // 2] if tokens else None
        tokens.append(token)


def requests(session):
    describe = {"MaxResults": 10}
    named = [{"Key": "Name", "Option": "Equals", "Values": ["/here/p1"]}]
    under = [{"Key": "Path", "Option": "OneLevel", "Values": ["/here"]}]
    begins = [{"Key": "Name", "Option": "BeginsWith", "Values": ["/here"]}]
    tagged = [{"Key": "tag:team", "Values": ["shop"]}]
    advanced = [{"Key": "Tier", "Values": ["Advanced"]}]
    written = {"Name": "/here/written", "Value": "v", "Type": "SecureString", "Overwrite": True}
    return {
        "GetParameter, decrypted": ("GetParameter", {"Name": "/here/p1", "WithDecryption": True}),
        "PutParameter": ("PutParameter", written),
        "GetParametersByPath, 10 entries": ("GetParametersByPath", {"Path": "/here", "WithDecryption": True}),
        "the same, recursive": ("GetParametersByPath", {"Path": "/here", "Recursive": True, "WithDecryption": True}),
        "DescribeParameters, first 10": ("DescribeParameters", describe),
        "the same, in the middle": ("DescribeParameters", describe | {"NextToken": middle(session)}),
        "the same, by name": ("DescribeParameters", {"ParameterFilters": named}),
        "the same, by path": ("DescribeParameters", {"ParameterFilters": under}),
        "the same, by beginning": ("DescribeParameters", {"ParameterFilters": begins}),
        "the same, by tag": ("DescribeParameters", {"ParameterFilters": tagged}),
        "the same, by tier": ("DescribeParameters", {"ParameterFilters": advanced}),
    }


def once(session, operation, request):
    begun = time.perf_counter()
    ssm(session, operation, {key: value for key, value in request.items() if value is not None})
    return time.perf_counter() - begun


def main():
    counts = [int(argument) for argument in sys.argv[1:]] or [100, 1000, 10_000, 100_000]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as scratch:
        running = []
        for count in counts:
            broker = brokers.dev(Path(scratch) / str(count))
            begun = time.perf_counter()
            fill(broker, count)
            took = time.perf_counter() - begun
            print(f"filled with {count} parameters in {took:.0f} s, {resident_kib(broker.process) / 1024:.0f} MiB resident", flush=True)
            running.append((broker, Session(broker)))
        asked = [requests(session) for _, session in running]
        print(" " * 34 + "".join(f"{count:>9}   " for count in counts))
        for kind in asked[0]:
            taken = [[] for _ in running]
            for _ in range(ROUNDS):
                for (_, session), of, times in zip(running, asked, taken):
                    times.append(once(session, *of[kind]))
            medians = [statistics.median(times) * 1000 for times in taken]
            print(f"{kind:34}" + "".join(f"{ms:9.2f} ms" for ms in medians) + f"   x {medians[-1] / medians[0]:.2f}")
        for broker, _ in running:
            broker.stop()


if __name__ == "__main__":
    main()
