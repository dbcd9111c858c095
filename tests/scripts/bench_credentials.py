"""What a signature and a decision cost when many policies are loaded and many sessions live.

    python tests/scripts/bench_credentials.py [POLICIES SESSIONS]      1000 and 10000 unless said otherwise

Two brokers with the same secrets: one with a single policy and session, one with POLICIES managed policies in the
policies of a hundred roles, and SESSIONS sessions of one role that were all handed out. A session signs GetSecretValue.

    cpu          processor time of the broker for a request, many over few; also with the sessions taking turns, so that
                 each signing key has to be derived
    throughput   each broker as a ratio to the ceiling (see bench.py), if BROKER_BENCH names its directory
"""

import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bench
from bench import ROOT, Session

import broker as brokers
import raw

REQUESTS = 10_000
WRITERS = 16
ROLE = f"arn:aws:iam::{brokers.ACCOUNT}:role/bench"


def statement(pattern, actions=("secretsmanager:GetSecretValue",)):
    resource = f"arn:aws:secretsmanager:*:{brokers.ACCOUNT}:secret:{pattern}"
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def account(policies):
    """The role `bench`, and as many managed policies, ten of them attached to each of a hundred roles."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }

    def arn(number):
        return f"arn:aws:iam::{brokers.ACCOUNT}:policy/p{number}"

    def role(name, attached, *statements):
        return {
            "RoleName": name, "Arn": f"arn:aws:iam::{brokers.ACCOUNT}:role/{name}", "AssumeRolePolicyDocument": trust,
            "AttachedManagedPolicies": [{"PolicyName": f"p{n}", "PolicyArn": arn(n)} for n in attached],
            "RolePolicyList": [
                {"PolicyName": "Own", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
            ] if statements else [],
        }  # fmt: skip

    managed = [
        {
            "PolicyName": f"p{number}", "Arn": arn(number), "DefaultVersionId": "v1",
            "PolicyVersionList": [
                {
                    "VersionId": "v1", "IsDefaultVersion": True,
                    "Document": {
                        "Version": "2012-10-17",
                        "Statement": [statement(f"team{number}/part{part}/*") for part in range(5)],
                    },
                }
            ],
        }
        for number in range(policies - 1)
    ]  # fmt: skip
    own = range(min(10, len(managed)))
    others = [
        role(f"r{number}", [n for n in range(number * 10, number * 10 + 10) if n < len(managed)]) for number in range(100)
    ]
    roles = [role("bench", own, statement("bench/*")), *(others if managed else [])]
    return json.dumps({"RoleDetailList": roles, "Policies": managed})


def sessions_of(broker, count):
    """(access key, secret, token) of new sessions of the role."""

    def share(writer):
        session, made = Session(broker), []
        for number in range(writer, count, WRITERS):
            request = {"RoleArn": ROLE, "SessionName": f"task{number:08}"}
            answer = session.call("CreateTaskSession", request, service="sealdock", prefix="Sealdock_20261124")
            found = answer["Credentials"]
            made.append((found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]))
        return made

    with ThreadPoolExecutor(min(WRITERS, count)) as pool:
        return [one for made in pool.map(share, range(min(WRITERS, count))) for one in made]


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_requests(broker, keys):
    """Microseconds of processor time of the broker for a request, signed by these in turn."""
    session = Session(broker)
    body = json.dumps({"SecretId": "bench/s000000"}).encode()
    # Signed beforehand, so that the broker is not left waiting for Python.
    headers = [
        raw.signed_headers(session.endpoint, key[:2], "secretsmanager", "secretsmanager.GetSecretValue", body, token=key[2])
        for key in keys
    ]
    begun = cpu_seconds(broker.process)
    for number in range(REQUESTS):
        session.connection.request("POST", "/", body=body, headers=headers[number % len(headers)])
        response = session.connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
    return (cpu_seconds(broker.process) - begun) / REQUESTS * 1e6


def start(directory, policies, sessions):
    brokers.dev(directory).stop()
    (directory / "policies" / "bench.json").write_text(account(policies))
    broker = brokers.dev(directory)
    bench.fill(broker)
    return broker, sessions_of(broker, sessions)


def main():
    policies, count = [int(argument) for argument in sys.argv[1:]] or [1000, 10_000]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as scratch:
        few = start(Path(scratch) / "few", 1, 1)
        many = start(Path(scratch) / "many", policies, count)
        rounds = [
            (cpu_of_requests(few[0], few[1]), cpu_of_requests(many[0], many[1][:1]), cpu_of_requests(many[0], many[1]))
            for _ in range(3)
        ]
        one, loaded, turns = (sorted(column)[1] for column in zip(*rounds))
        print(f"cpu          x {loaded / one:.2f} with {policies} policies and {count} sessions against one of each; "
              f"x {turns / one:.2f} if the sessions take turns ({one:.0f} us with one)")  # fmt: skip
        tools = os.environ.get("BROKER_BENCH")
        for broker, keys, what in ((*few, "1 policy, 1 session"), (*many, f"{policies} policies, {count} sessions")):
            if tools:
                for line in bench.throughput(broker, tools, keys[0]):
                    ratio = line["ratio_to_ceiling"]["candidate"]
                    print(f"throughput   {ratio['rps']['median']:6.2f} of the ceiling `durable` at {line['conns']} "
                          f"connections, {what} (CPU {ratio['cpu']['median']:.2f} x)")  # fmt: skip
            broker.stop()


if __name__ == "__main__":
    main()
