"""Rotation functions behind HTTPS with an authority of their own: who is believed, and who is not."""

import json
import threading

import pytest

import broker as brokers
import conftest
from broker import ACCOUNT, REGION
from certificates import Authority
from functions import Endpoint, eventually, rotate
from test_rotation import events, rotated

# name of the function -> (authority and names of its certificate, authority in the configuration)
FUNCTIONS = {
    "trusted": ("ours", ["IP:127.0.0.1"], "ours"),
    "one-of-two": ("ours", ["IP:127.0.0.1"], "both"),
    "other-authority": ("theirs", ["IP:127.0.0.1"], "ours"),
    "other-name": ("ours", ["DNS:functions.example", "IP:127.0.0.2"], "ours"),
    "slow": ("ours", ["IP:127.0.0.1"], "ours"),
    "elsewhere": ("ours", ["IP:127.0.0.1"], "ours"),
}


def arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory):
    place = tmp_path_factory.mktemp("certificates")
    authorities = {name: Authority(place, name) for name in ("ours", "theirs")}
    (place / "both.pem").write_text(authorities["theirs"].pem.read_text() + authorities["ours"].pem.read_text())
    made = {name: Endpoint(authorities[by].issue(name, *names)) for name, (by, names, _) in FUNCTIONS.items()}
    # HTTP where the configuration says HTTPS.
    made["elsewhere"].url += "/elsewhere"
    made["plain"] = Endpoint()
    made["plain"].url = made["plain"].url.replace("http:", "https:")
    yield place, made
    for endpoint in made.values():
        endpoint.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory, endpoints):
    place, made = endpoints
    directory = tmp_path_factory.mktemp("tls") / "data"
    init = brokers.sealdock("init", "--data", directory, "--account", ACCOUNT, "--region", REGION)
    assert init.returncode == 0, init.stderr
    with open(directory / "sealdock.toml", "a") as file:
        for name, endpoint in made.items():
            ca = place / f"{FUNCTIONS[name][2] if name in FUNCTIONS else 'ours'}.pem"
            file.write(f'\n[[function]]\narn = "{arn(name)}"\nurl = "{endpoint.url}"\nca = "{ca}"\ntimeout-seconds = {1 if name == "slow" else 10}\n')
    (directory / "policies" / "admin.json").write_text(json.dumps(ADMIN))
    broker = brokers.serve(directory)
    yield broker
    assert broker.stop() == 0
    assert conftest.find_canary(broker) == []


ADMIN = {
    "UserDetailList": [{
        "UserName": "admin", "Path": "/", "Arn": f"arn:aws:iam::{ACCOUNT}:user/admin",
        "UserPolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["secretsmanager:*", "lambda:InvokeFunction"], "Resource": "*"}]}}],
    }]
}  # fmt: skip


@pytest.fixture(scope="module")
def secrets(broker, endpoints):
    client = conftest.client("secretsmanager", broker.tls, brokers.access_key(broker, "admin"), verify=broker.ca)
    for endpoint in endpoints[1].values():
        endpoint.secrets = client
    return client


@pytest.mark.parametrize("function", ["trusted", "one-of-two"])
def test_a_certificate_of_the_authority_is_believed(secrets, endpoints, name, value, function):
    arn_ = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    rotated(secrets, name, secrets.rotate_secret(SecretId=name, RotationLambdaARN=arn(function))["VersionId"])
    assert endpoints[1][function].steps(arn_) == ["createSecret", "setSecret", "testSecret", "finishSecret"]


@pytest.mark.parametrize("function", ["other-authority", "other-name", "plain"])
def test_nobody_else_is_called(broker, secrets, endpoints, name, value, function):
    secret = secrets.create_secret(Name=name, SecretString=value)
    token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=arn(function))["VersionId"]
    failed = eventually(lambda: [data for event, data in events(broker, secret["ARN"]) if event == "RotationFailed"])
    assert failed[0]["failure"] == "createSecret: the function's endpoint gave no answer"
    assert endpoints[1][function].events == []
    stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {secret["VersionId"]: ["AWSCURRENT"], token: ["AWSPENDING"]}
    secrets.cancel_rotate_secret(SecretId=name)


def test_a_path_that_the_endpoint_does_not_know(broker, secrets, endpoints, name, value):
    secret = secrets.create_secret(Name=name, SecretString=value)
    secrets.rotate_secret(SecretId=name, RotationLambdaARN=arn("elsewhere"))
    failed = eventually(lambda: [data for event, data in events(broker, secret["ARN"]) if event == "RotationFailed"])
    assert failed[0]["failure"] == "createSecret: the function's endpoint answered with status 404"
    secrets.cancel_rotate_secret(SecretId=name)


def test_a_function_that_takes_too_long(broker, secrets, endpoints, name, value):
    let_go = threading.Event()

    def slow(event, client):
        if event["Step"] == "setSecret":
            assert let_go.wait(20)
        rotate(event, client)

    endpoints[1]["slow"].rotations[name] = slow
    secret = secrets.create_secret(Name=name, SecretString=value)
    token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=arn("slow"))["VersionId"]
    failed = eventually(lambda: [data for event, data in events(broker, secret["ARN"]) if event == "RotationFailed"])
    assert failed[0]["failure"] == "setSecret: the function took longer than 1 seconds"
    assert secrets.describe_secret(SecretId=name)["VersionIdsToStages"][token] == ["AWSPENDING"]
    let_go.set()
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="That rotation will be reattempted"):
        secrets.rotate_secret(SecretId=name)
    rotated(secrets, name, token)


def test_a_url_needs_an_authority(tmp_path):
    directory = tmp_path / "data"
    init = brokers.sealdock("init", "--data", directory, "--account", ACCOUNT, "--region", REGION)
    assert init.returncode == 0, init.stderr
    with open(directory / "sealdock.toml", "a") as file:
        file.write(f'\n[[function]]\narn = "{arn("f")}"\nurl = "https://127.0.0.1:1"\n')
    done = brokers.sealdock("serve", "--data", directory)
    assert done.returncode == 2 and "needs `ca`, the certificates to trust" in done.stderr, done.stderr
