"""Brokers and clients for the tests, and the check that no planted value is where none may be.

Every secret value of the suite begins with `CANARY`. When a broker of the session ends, its output, its audit log and
its store are searched for it: the value may be in an answer, and nowhere else.
"""

import os
import uuid

import boto3
import botocore.config
import pytest

import broker as brokers
import policies
import raw

CANARY = "canary-8f1d"

# The machine's own AWS configuration plays no part, in the clients of this process either.
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ.update({name: value for name, value in brokers.environment().items() if name.startswith("AWS_")})

ONCE = botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30)


def find_canary(broker):
    """The files of a broker that hold a planted value."""
    places = [broker.output, *(path for path in broker.directory.rglob("*") if path.is_file())]
    return [str(path) for path in places if CANARY.encode() in path.read_bytes()]


@pytest.fixture(scope="session")
def dev(tmp_path_factory):
    function = f"arn:aws:lambda:{brokers.REGION}:{brokers.ACCOUNT}:function:none"
    broker = brokers.dev(tmp_path_factory.mktemp("dev") / "data", "--function", f"{function}=http://127.0.0.1:9")
    yield broker
    assert broker.stop() == 0
    assert find_canary(broker) == []


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("served") / "data", policies.DOCUMENT)
    yield broker
    assert broker.stop() == 0
    assert find_canary(broker) == []


def client(service, endpoint, key, verify=None, region=brokers.REGION):
    return boto3.session.Session().client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        verify=str(verify) if verify else None,
        config=ONCE,
    )


def dev_key(dev):
    return dev.variables["AWS_ACCESS_KEY_ID"], dev.variables["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="session")
def secrets(dev):
    return client("secretsmanager", dev.variables["AWS_ENDPOINT_URL"], dev_key(dev))


@pytest.fixture(scope="session")
def parameters(dev):
    return client("ssm", dev.variables["AWS_ENDPOINT_URL"], dev_key(dev))


@pytest.fixture(scope="session")
def kms(dev):
    return client("kms", dev.variables["AWS_ENDPOINT_URL"], dev_key(dev))


def make_key(kms, alias=None, **more):
    """A new KMS key, with an alias if one is given; its ARN."""
    arn = kms.create_key(**more)["KeyMetadata"]["Arn"]
    if alias:
        kms.create_alias(AliasName=alias, TargetKeyId=arn)
    return arn


@pytest.fixture(scope="session")
def users(served):
    """The access key of each user of the test policies, by user name."""
    return {user: brokers.access_key(served, user) for user in policies.USERS}


@pytest.fixture(scope="session")
def secrets_as(served, users):
    """A Secrets Manager client for a user of the test policies, over TLS."""
    clients = {user: client("secretsmanager", served.tls, key, verify=served.ca) for user, key in users.items()}
    return clients.__getitem__


@pytest.fixture(scope="session")
def parameters_as(served, users):
    clients = {user: client("ssm", served.tls, key, verify=served.ca) for user, key in users.items()}
    return clients.__getitem__


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"test/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def value():
    """A secret value that no other test uses, and that must not be found outside the answers."""
    return f"{CANARY}-{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def raw_secrets(dev):
    """`call(operation, body)`: a signed request whose body no client library has checked."""
    return raw.sender(dev.variables["AWS_ENDPOINT_URL"], dev_key(dev), "secretsmanager")


@pytest.fixture(scope="session")
def raw_parameters(dev):
    return raw.sender(dev.variables["AWS_ENDPOINT_URL"], dev_key(dev), "ssm")


@pytest.fixture(scope="session")
def raw_kms(dev):
    return raw.sender(dev.variables["AWS_ENDPOINT_URL"], dev_key(dev), "kms")
