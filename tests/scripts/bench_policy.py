"""What a policy decision costs, by itself and within a whole request.

    python tests/scripts/bench_policy.py

One user has 10, 100 or 1,000 statements, all about the action that is asked for, each with a secret of its own; a
tenth of them have conditions. The decision alone is timed by `sealdock policy simulate --repeat`; a whole request is the
processor time of a broker for a signed GetSecretValue by that user.
"""

import json
import tempfile
from pathlib import Path

import bench
from bench_credentials import cpu_of_requests

import broker as brokers

ACTION = "secretsmanager:GetSecretValue"
REPEAT = "20000"
SIZES = (10, 100, 1000)


def secret(name):
    return f"arn:aws:secretsmanager:*:{brokers.ACCOUNT}:secret:{name}-??????"


def statement(name, *, conditions=False):
    one = {"Effect": "Allow", "Action": [ACTION, "secretsmanager:DescribeSecret"], "Resource": secret(name)}
    if conditions:
        one["Condition"] = {
            "StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{brokers.ACCOUNT}:user/*"},
            "StringEqualsIfExists": {"secretsmanager:VersionStage": ["AWSCURRENT", "AWSPREVIOUS"]},
            "Bool": {"aws:SecureTransport": "true"},
        }
    return one


def account(size, last):
    """A user with so many statements; the last one is what the request needs."""
    many = [statement(f"team/{n:04}", conditions=n % 10 == 0) for n in range(size - 1)]
    document = {"Version": "2012-10-17", "Statement": [*many, last]}
    arn = f"arn:aws:iam::{brokers.ACCOUNT}:user/bench"
    policies = [{"PolicyName": "p", "PolicyDocument": document}]
    return json.dumps({"UserDetailList": [{"UserName": "bench", "Arn": arn, "UserPolicyList": policies}]})


def decisions(directory):
    cases = [
        ("allowed by the last statement", statement("wanted"), "wanted", "allow"),
        ("allowed under conditions", statement("wanted", conditions=True), "wanted", "allow"),
        ("no statement allows", statement("other"), "wanted", "implicit deny"),
        ("denied", {**statement("wanted"), "Effect": "Deny"}, "wanted", "explicit deny"),
    ]
    for what, last, name, expected in cases:
        times = []
        for size in SIZES:
            (directory / "policies" / "bench.json").write_text(account(size, last))
            question = {
                "expect": expected, "principal": f"arn:aws:iam::{brokers.ACCOUNT}:user/bench", "action": ACTION,
                "resource": secret(name).replace("??????", "a1B2c3").replace(":*:", ":us-east-1:"),
                "context": {"aws:SecureTransport": "true", "secretsmanager:VersionStage": "AWSCURRENT"},
            }  # fmt: skip
            (directory / "cases.json").write_text(json.dumps({"cases": [question]}))
            found = brokers.sealdock(
                "policy", "simulate", directory / "cases.json", "--policies", directory / "policies",
                "--repeat", REPEAT, "--json",
            )  # fmt: skip
            case = json.loads(found.stdout)["cases"][0]
            assert case["passed"], case
            times.append(f"{case['microseconds']:.2f}")
        print(f"decision     {', '.join(times)} us with {', '.join(map(str, SIZES))} statements: {what}", flush=True)


def requests(directory):
    """The processor time of a request, the sizes in turn."""
    started = []
    for size in SIZES:
        place = directory / str(size)
        brokers.dev(place).stop()
        (place / "policies" / "bench.json").write_text(account(size, statement("bench/*")))
        broker = brokers.dev(place)
        broker.socket = place / "sealdock.sock"
        bench.fill(broker)
        started.append((broker, [(*brokers.access_key(broker, "bench"), None)]))
    rounds = [[cpu_of_requests(broker, keys) for broker, keys in started] for _ in range(3)]
    few, *more = (sorted(column)[1] for column in zip(*rounds))
    for size, cost in zip(SIZES[1:], more):
        print(f"request      x {cost / few:.2f} with {size} statements against {SIZES[0]} ({few:.0f} us of CPU)")
    for broker, _ in started:
        broker.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="bench-", dir=bench.ROOT / "target") as scratch:
        (Path(scratch) / "policies").mkdir()
        decisions(Path(scratch))
        requests(Path(scratch))


if __name__ == "__main__":
    main()
