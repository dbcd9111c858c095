"""Rotation: RotateSecret and CancelRotateSecret with a real rotation function behind the Lambda invoke protocol."""

import datetime
import json
import threading
import urllib.request
import uuid

import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION
from expect import MARKED, NO_SECRET, RECENTLY, UUID, Matching, body, constraint, refused, secret_arn
from functions import Endpoint, eventually, rotate

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate"
UNKNOWN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:unknown"
DAY = datetime.timedelta(days=1)

PENDING = "A previous rotation isn't complete. That rotation will be reattempted."
NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."
NOT_CONFIGURED = (
    "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and you didn't "
    "include such an ARN as a parameter in this call."
)
NOT_INVOCABLE = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the "
    "principal secretsmanager.amazonaws.com."
)


@pytest.fixture(scope="module")
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture(scope="module")
def rotating(tmp_path_factory, endpoint):
    broker = brokers.dev(tmp_path_factory.mktemp("rotating") / "data", "--function", f"{FUNCTION}={endpoint.url}")
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


@pytest.fixture(scope="module")
def secrets(rotating, endpoint):
    url, key = rotating.variables["AWS_ENDPOINT_URL"], conftest.dev_key(rotating)
    endpoint.secrets = conftest.client("secretsmanager", url, key)
    return endpoint.secrets


@pytest.fixture
def secret(secrets, name, value):
    return secrets.create_secret(Name=name, SecretString=value)


def rotated(secrets, name, token):
    """Waits until the version is current and the rotation is noted; returns the description."""

    def done():
        described = body(secrets.describe_secret(SecretId=name))
        current = "AWSCURRENT" in described["VersionIdsToStages"].get(token, [])
        return current and "LastRotatedDate" in described and described

    return eventually(done)


def events(broker, arn):
    """(name, additional data) of the recorded events of a rotation, oldest first."""
    lines = [line for path in sorted((broker.directory / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()]
    records = [json.loads(line) for line in lines]
    found = [record.get("event", record) for record in records]
    return [
        (event["eventName"], event["additionalEventData"])
        for event in found
        if event.get("eventType") == "AwsServiceEvent" and (event.get("additionalEventData") or {}).get("SecretId") == arn
    ]


def metric(broker, sample):
    with urllib.request.urlopen(f"{broker.variables['AWS_ENDPOINT_URL']}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample + " "))


def test_a_rotation_runs_the_four_steps(rotating, secrets, endpoint, name, value, secret):
    arn, first = secret["ARN"], secret["VersionId"]
    before = metric(rotating, 'sealdock_rotations_total{outcome="succeeded"}')
    answer = secrets.rotate_secret(
        SecretId=name, RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 30}
    )
    assert body(answer) == {"ARN": arn, "Name": name, "VersionId": UUID}
    token = answer["VersionId"]
    described = rotated(secrets, name, token)
    assert [e for e in endpoint.events if e["SecretId"] == arn] == [
        {"Step": step, "SecretId": arn, "ClientRequestToken": token, "RotationToken": UUID}
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret")
    ]
    midnight = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    assert described == {
        "ARN": arn,
        "Name": name,
        "RotationEnabled": True,
        "RotationLambdaARN": FUNCTION,
        "RotationRules": {"AutomaticallyAfterDays": 30},
        "LastRotatedDate": RECENTLY,
        "LastChangedDate": RECENTLY,
        "LastAccessedDate": midnight,
        "NextRotationDate": midnight + 31 * DAY - datetime.timedelta(seconds=1),
        "VersionIdsToStages": {first: ["AWSPREVIOUS"], token: ["AWSCURRENT", "AWSPENDING"]},
        "CreatedDate": RECENTLY,
    }
    (listed,) = secrets.list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]
    for member in ("RotationEnabled", "RotationLambdaARN", "RotationRules", "LastRotatedDate", "NextRotationDate"):
        assert listed[member] == described[member]
    assert secrets.get_secret_value(SecretId=name)["SecretString"].startswith(value + "+")
    assert eventually(lambda: len(e := events(rotating, arn)) == 2 and e) == [
        ("RotationStarted", {"SecretId": arn, "VersionId": token, "attempt": 1}),
        ("RotationSucceeded", {"SecretId": arn, "VersionId": token, "attempt": 1}),
    ]
    assert metric(rotating, 'sealdock_rotations_total{outcome="succeeded"}') >= before + 1
    assert metric(rotating, "sealdock_rotations_running") >= 0
    # Again, with what is stored.
    again = secrets.rotate_secret(SecretId=arn)["VersionId"]
    stages = eventually(lambda: (v := secrets.describe_secret(SecretId=name)["VersionIdsToStages"])[again] != ["AWSPENDING"] and v)
    assert stages == {token: ["AWSPREVIOUS"], again: ["AWSCURRENT", "AWSPENDING"]}


def test_the_same_token_rotates_once(secrets, endpoint, name, secret):
    token = str(uuid.uuid4())
    for _ in range(3):
        answer = secrets.rotate_secret(SecretId=name, ClientRequestToken=token, RotationLambdaARN=FUNCTION)
        assert answer["VersionId"] == token
    rotated(secrets, name, token)
    assert secrets.rotate_secret(SecretId=name, ClientRequestToken=token)["VersionId"] == token
    assert endpoint.steps(secret["ARN"]) == ["createSecret", "setSecret", "testSecret", "finishSecret"]


@pytest.mark.parametrize("step", ["createSecret", "setSecret", "testSecret", "finishSecret"])
@pytest.mark.parametrize("error", [ValueError, LookupError], ids=["lambda", "emulator"])
def test_a_failure_leaves_pending(rotating, secrets, endpoint, name, value, secret, step, error):
    arn, first = secret["ARN"], secret["VersionId"]

    def fails(event, client):
        if event["Step"] == step:
            raise error("what the function says")
        rotate(event, client)

    endpoint.rotations[name] = fails
    token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
    failed = eventually(lambda: [e for e in events(rotating, arn) if e[0] == "RotationFailed"])
    failure = f"{step}: the function raised an error"
    assert failed == [("RotationFailed", {"SecretId": arn, "VersionId": token, "attempt": 1, "failure": failure})]
    described = secrets.describe_secret(SecretId=name)
    assert described["VersionIdsToStages"] == {first: ["AWSCURRENT"], token: ["AWSPENDING"]}
    assert described["RotationEnabled"] is True and "LastRotatedDate" not in described
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == value
    if step == "createSecret":
        with refused("ResourceNotFoundException", Matching(".*for staging label: AWSPENDING")):
            secrets.get_secret_value(SecretId=name, VersionStage="AWSPENDING")
    # The function is mended; a request is refused, and the rotation is reattempted.
    del endpoint.rotations[name]
    with refused("InvalidRequestException", PENDING):
        secrets.rotate_secret(SecretId=name)
    rotated(secrets, name, token)


def test_what_a_function_says_is_in_its_own_file_only(rotating):
    """It may be a secret, so neither the audit log nor the broker's own log has it."""
    places = [rotating.output, *(path for path in rotating.directory.rglob("*") if path.is_file())]
    found = [path for path in places if b"what the function says" in path.read_bytes()]
    assert found == [rotating.directory / "functions.log"]
    assert found[0].stat().st_mode & 0o777 == 0o600
    (line, *_) = found[0].read_text().splitlines()
    assert line.endswith('rotate createSecret: {"errorType": "ValueError", "errorMessage": "what the function says"}')


def test_cancelling(rotating, secrets, endpoint, name, secret):
    arn, first = secret["ARN"], secret["VersionId"]

    def fails(event, client):
        raise ValueError("not today")

    endpoint.rotations[name] = fails
    token = secrets.rotate_secret(
        SecretId=name, RotationLambdaARN=FUNCTION, RotationRules={"ScheduleExpression": "rate(10 days)"}
    )["VersionId"]
    eventually(lambda: [e for e in events(rotating, arn) if e[0] == "RotationFailed"])
    assert body(secrets.cancel_rotate_secret(SecretId=name)) == {"ARN": arn, "Name": name, "VersionId": token}
    described = secrets.describe_secret(SecretId=name)
    assert described["RotationEnabled"] is False and "NextRotationDate" not in described
    assert described["RotationLambdaARN"] == FUNCTION
    assert described["RotationRules"] == {"ScheduleExpression": "rate(10 days)"}
    assert described["VersionIdsToStages"] == {first: ["AWSCURRENT"], token: ["AWSPENDING"]}
    with refused("InvalidRequestException", PENDING):
        secrets.rotate_secret(SecretId=name)
    secrets.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=token)
    assert body(secrets.cancel_rotate_secret(SecretId=name)) == {"ARN": arn, "Name": name}
    del endpoint.rotations[name]
    rotated(secrets, name, secrets.rotate_secret(SecretId=name)["VersionId"])
    assert secrets.describe_secret(SecretId=name)["RotationEnabled"] is True


def test_a_rotation_that_is_not_immediate_is_tested(rotating, secrets, endpoint, name, value, secret):
    arn, first = secret["ARN"], secret["VersionId"]
    seen = []

    def check(event, client):
        pending = client.get_secret_value(SecretId=arn, VersionStage="AWSPENDING")
        seen.append((pending["VersionId"], pending["SecretString"]))

    endpoint.rotations[name] = check
    token = secrets.rotate_secret(
        SecretId=name,
        RotationLambdaARN=FUNCTION,
        RotateImmediately=False,
        RotationRules={"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "3h"},
    )["VersionId"]
    assert eventually(lambda: len(e := events(rotating, arn)) == 2 and [name for name, _ in e]) == [
        "TestRotationStarted",
        "TestRotationSucceeded",
    ]
    assert endpoint.steps(arn) == ["testSecret"] and seen == [(token, value)]
    described = secrets.describe_secret(SecretId=name)
    assert described["VersionIdsToStages"] == {first: ["AWSCURRENT"]}
    assert described["RotationEnabled"] is True and "LastRotatedDate" not in described
    assert described["RotationRules"] == {"ScheduleExpression": "cron(0 8 1 * ? *)", "Duration": "3h"}
    closes = described["NextRotationDate"].astimezone(datetime.timezone.utc)
    assert (closes.day, closes.hour, closes.minute, closes.second) == (1, 10, 59, 59)
    assert secrets.get_secret_value(SecretId=name)["VersionId"] == first


@pytest.mark.parametrize("write", ["put", "update"])
def test_a_new_value_abandons_the_rotation(rotating, secrets, endpoint, name, value, secret, write):
    arn = secret["ARN"]

    def fails(event, client):
        raise ValueError("not today")

    endpoint.rotations[name] = fails
    token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
    eventually(lambda: [e for e in events(rotating, arn) if e[0] == "RotationFailed"])
    if write == "put":
        version = secrets.put_secret_value(SecretId=name, SecretString=value + "!")["VersionId"]
    else:
        version = secrets.update_secret(SecretId=name, SecretString=value + "!")["VersionId"]
    stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {secret["VersionId"]: ["AWSPREVIOUS"], version: ["AWSCURRENT"]}
    abandoned = eventually(lambda: [e for e in events(rotating, arn) if e[0] == "RotationAbandoned"])
    assert abandoned == [("RotationAbandoned", {"SecretId": arn, "VersionId": token})]
    del endpoint.rotations[name]
    rotated(secrets, name, secrets.rotate_secret(SecretId=name)["VersionId"])


def test_a_rotation_in_progress_ends_with_the_secret(secrets, endpoint, name, secret):
    held = []

    def deletes(event, client):
        held.append(event["Step"])
        client.delete_secret(SecretId=event["SecretId"])

    endpoint.rotations[name] = deletes
    secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)
    eventually(lambda: held)
    with refused("InvalidRequestException", MARKED):
        secrets.rotate_secret(SecretId=name)
    with refused("InvalidRequestException", MARKED):
        secrets.cancel_rotate_secret(SecretId=name)
    del endpoint.rotations[name]
    secrets.restore_secret(SecretId=name)
    described = secrets.describe_secret(SecretId=name)
    assert held == ["createSecret"] and described["VersionIdsToStages"] == {secret["VersionId"]: ["AWSCURRENT"]}


def test_what_is_refused(secrets, name, secret):
    with refused("InvalidRequestException", NO_FUNCTION):
        secrets.rotate_secret(SecretId=name)
    with refused("InvalidRequestException", NOT_CONFIGURED):
        secrets.cancel_rotate_secret(SecretId=name)
    with refused("AccessDeniedException", NOT_INVOCABLE):
        secrets.rotate_secret(SecretId=name, RotationLambdaARN=UNKNOWN)
    for call in (secrets.rotate_secret, secrets.cancel_rotate_secret):
        with refused("ResourceNotFoundException", NO_SECRET):
            call(SecretId=f"{name}/none")

    def rules(message, **rules):
        with refused("InvalidParameterException", message):
            secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules=rules)

    rules(
        "You cannot specify both rotation frequency and schedule expression together.",
        AutomaticallyAfterDays=1,
        ScheduleExpression="rate(1 day)",
    )
    rules("You must specify AutomaticallyAfterDays or ScheduleExpression with Duration.", Duration="3h")
    rules(Matching(r"The schedule expression rate\(3 hours\) .* at most every 4 hours\."), ScheduleExpression="rate(3 hours)")
    rules(Matching(r"The schedule expression cron\(0 8 30 2 \? \*\) .*no such day\."), ScheduleExpression="cron(0 8 30 2 ? *)")
    rules(Matching("The rotation window duration 5h .*next UTC day."), ScheduleExpression="cron(0 20 * * ? *)", Duration="5h")
    with refused("ValidationException", constraint("rotationRules.automaticallyAfterDays", "have value less than or equal to 1000")):
        secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 1001})
    external = Matching("You can specify ExternalSecretRotationMetadata .*")
    with refused("InvalidParameterException", external):
        secrets.rotate_secret(SecretId=name, ExternalSecretRotationMetadata=[{"Key": "k", "Value": "v"}])
    with refused("InvalidParameterException", external):
        secrets.rotate_secret(SecretId=name, ExternalSecretRotationRoleArn=f"arn:aws:iam::{ACCOUNT}:role/partner")
    described = secrets.describe_secret(SecretId=name)
    assert "RotationEnabled" not in described and len(described["VersionIdsToStages"]) == 1


def test_a_raw_request_needs_a_token(raw_secrets, secrets, name):
    answer = raw_secrets("RotateSecret", {"SecretId": name})
    assert answer.code == "ResourceNotFoundException"
    raw_secrets("CreateSecret", {"Name": name})
    answer = raw_secrets("RotateSecret", {"SecretId": name, "RotationLambdaARN": FUNCTION})
    assert (answer.code, answer.message) == (
        "InvalidRequestException",
        "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
    )


def test_a_rotation_token_is_good_for_its_rotation_only(secrets, endpoint, name, value, secret):
    tokens = []
    endpoint.rotations[name] = lambda event, client: tokens.append(event["RotationToken"]) or rotate(event, client)
    rotated(secrets, name, secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"])
    assert len(set(tokens)) == 1
    for token in (tokens[0], str(uuid.uuid4())):
        with refused("AccessDeniedException", "The RotationToken is not that of a rotation that makes this version."):
            secrets.put_secret_value(SecretId=name, SecretString=value, RotationToken=token)


def test_a_function_that_promises_and_does_nothing(rotating, secrets, endpoint, name, secret):
    endpoint.rotations[name] = lambda event, client: None
    secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)
    failed = eventually(lambda: [e for e in events(rotating, secret["ARN"]) if e[0] == "RotationFailed"])
    assert failed[0][1]["failure"] == "finishSecret: the function returned, and AWSCURRENT is not on the new version"


def test_a_rotation_that_a_crash_cut_short_is_made_again(tmp_path, name, value):
    endpoint = Endpoint()
    arguments = (tmp_path / "data", "--function", f"{FUNCTION}={endpoint.url}")
    broker = brokers.dev(*arguments)
    connect = lambda: conftest.client("secretsmanager", broker.variables["AWS_ENDPOINT_URL"], conftest.dev_key(broker))
    endpoint.secrets = connect()

    connected = threading.Event()

    def dies(event, client):
        rotate(event, client)
        if event["Step"] == "setSecret":
            broker.kill()

    endpoint.rotations[name] = dies
    secret = endpoint.secrets.create_secret(Name=name, SecretString=value)
    token = endpoint.secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
    eventually(lambda: broker.process.poll() is not None)
    # The new broker calls the function before the function knows where it is.
    endpoint.rotations[name] = lambda event, _: connected.wait(20) and rotate(event, endpoint.secrets)
    broker = brokers.dev(*arguments)
    endpoint.secrets = connect()
    connected.set()
    rotated(endpoint.secrets, name, token)
    started = [data["attempt"] for event, data in events(broker, secret["ARN"]) if event == "RotationStarted"]
    assert started == [1, 2]
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []
    endpoint.close()
