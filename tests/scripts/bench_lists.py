"""What lists of parameters cost as the vault grows: the same few entries among few parameters and among many.

    python tests/scripts/bench_lists.py [FEW MANY]        100 and 100000 unless said otherwise

Times are medians of one connection's requests, one after another. What counts is the last column: the cost among many
over the cost among few. It needs no quiet machine for that, since both vaults are asked in turn.
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import ROOT, Session

import broker as brokers

ROUNDS = 200
WRITERS = 48


def ssm(session, operation, request):
    return session.call(operation, request, service="ssm", prefix="AmazonSSM")


def put(session, name):
    ssm(session, "PutParameter", {"Name": name, "Value": "v", "Type": "String", "Overwrite": True})


def fill(broker, count):
    """Ten parameters under /here, and the others under a hundred paths before and behind it."""

    def share(writer):
        session = Session(broker)
        for number in range(writer, count - 10, WRITERS):
            put(session, f"/{'az'[number % 2]}{number % 100:02}/p{number:06}")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(share, range(WRITERS)))
    session = Session(broker)
    for number in range(10):
        put(session, f"/here/p{number}")


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
    return {
        "GetParametersByPath, 10 entries": ("GetParametersByPath", {"Path": "/here"}),
        "the same, recursive": ("GetParametersByPath", {"Path": "/here", "Recursive": True}),
        "DescribeParameters, first 10": ("DescribeParameters", describe),
        "the same, in the middle": ("DescribeParameters", describe | {"NextToken": middle(session)}),
        "the same, by name": ("DescribeParameters", {"ParameterFilters": named}),
        "the same, by path": ("DescribeParameters", {"ParameterFilters": under}),
    }


def once(session, operation, request):
    begun = time.perf_counter()
    ssm(session, operation, {key: value for key, value in request.items() if value is not None})
    return time.perf_counter() - begun


def main():
    counts = [int(argument) for argument in sys.argv[1:]] or [100, 100_000]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as scratch:
        running = []
        for count in counts:
            broker = brokers.dev(Path(scratch) / str(count))
            begun = time.perf_counter()
            fill(broker, count)
            print(f"filled with {count} parameters in {time.perf_counter() - begun:.0f} s", flush=True)
            running.append((broker, Session(broker)))
        asked = [requests(session) for _, session in running]
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
