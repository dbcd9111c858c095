"""Two accounts in one vault, as two exports of `aws iam get-account-authorization-details` would bring them.

    owner     account 123456789012, may do everything with secrets, parameters and keys
    plain     account 123456789012, has no policy
    reader    account 123456789012, may read every secret
    guest     account 444455556666, may do everything with secrets, parameters and keys anywhere
    bare      account 444455556666, has no policy
"""

import json

import broker as brokers
import policies
from broker import ACCOUNT

OTHER = "444455556666"
ACCOUNTS = {"owner": ACCOUNT, "plain": ACCOUNT, "reader": ACCOUNT, "guest": OTHER, "bare": OTHER}
_MAY = {
    "owner": ["secretsmanager:*", "ssm:*", "kms:*"],
    "reader": ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "kms:*"],
    "guest": ["secretsmanager:*", "ssm:*", "kms:*"],
}


def arn(user):
    return f"arn:aws:iam::{ACCOUNTS[user]}:user/{user}"


def export(account):
    """The export of one account."""
    may = {name: [policies.statement("Allow", actions)] for name, actions in _MAY.items()}
    users = [name for name, of in ACCOUNTS.items() if of == account]
    return policies.export([policies.user(name, *may.get(name, []), account=account) for name in users])


def served(directory):
    """A broker whose policy directory has a file for each account."""
    made = brokers.sealdock("init", "--data", directory, "--account", ACCOUNT, "--region", brokers.REGION)
    assert made.returncode == 0, made.stderr
    for account in (ACCOUNT, OTHER):
        (directory / "policies" / f"{account}.json").write_text(export(account))
    return brokers.serve(directory)


def access_key(broker, principal):
    """A new access key for a principal of any account: (id, secret)."""
    made = brokers.sealdock(
        "key", "create", "--socket", broker.socket, "--principal", principal, "--format", "env"
    )
    assert made.returncode == 0, made.stderr
    variables = brokers.exports(made.stdout)
    return variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]


def statement(effect, principal, actions="secretsmanager:GetSecretValue", **more):
    return {"Effect": effect, "Principal": principal, "Action": actions, "Resource": "*", **more}


def policy(*statements):
    """A policy document as text, in an order and spacing of its own."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=1)
