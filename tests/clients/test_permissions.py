"""IAM through the API: who may do what, how a denial reads, and what it does not tell."""

import json

import pytest
from botocore.exceptions import ClientError

import broker as brokers
import conftest
from broker import ACCOUNT, REGION
from expect import NO_SECRET, Matching, refused


def denial(user, action, resource, reason):
    return f"User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to perform: {action} on resource: {resource} {reason}"


def no_policy(action):
    return f"because no identity-based policy allows the {action} action"


EXPLICIT = "with an explicit deny in an identity-based policy"


@pytest.fixture(scope="module")
def shelf(secrets_as, parameters_as):
    """Secrets and parameters under allowed/, denied/ and other/, made by the admin; returns the ARNs by name."""
    arns = {}
    for prefix in ("allowed", "denied", "other"):
        arns[prefix] = secrets_as("admin").create_secret(
            Name=f"{prefix}/secret", SecretString=f"canary-8f1d {prefix}"
        )["ARN"]
        parameters_as("admin").put_parameter(
            Name=f"/{prefix}/parameter", Value=f"canary-8f1d {prefix}", Type="SecureString"
        )
    return arns


def test_what_is_allowed(secrets_as, parameters_as, shelf):
    reader = secrets_as("reader")
    for identifier in ("allowed/secret", shelf["allowed"], shelf["allowed"].rsplit("-", 1)[0]):
        assert reader.get_secret_value(SecretId=identifier)["SecretString"] == "canary-8f1d allowed"
    found = parameters_as("reader").get_parameter(Name="/allowed/parameter", WithDecryption=True)
    assert found["Parameter"]["Value"] == "canary-8f1d allowed"


def test_a_denial_names_principal_action_and_resource(secrets_as, shelf):
    action = "secretsmanager:GetSecretValue"
    for user in ("reader", "nobody"):
        with refused("AccessDeniedException", denial(user, action, shelf["other"], no_policy(action))):
            secrets_as(user).get_secret_value(SecretId=shelf["other"])


def test_a_denial_of_a_parameter(parameters_as, shelf):
    resource = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/other/parameter"
    with refused("AccessDeniedException", denial("reader", "ssm:GetParameter", resource, no_policy("ssm:GetParameter"))):
        parameters_as("reader").get_parameter(Name="/other/parameter")
    with refused(
        "AccessDeniedException", denial("reader", "ssm:GetParameters", resource, no_policy("ssm:GetParameters"))
    ):
        parameters_as("reader").get_parameters(Names=["/allowed/parameter", "/other/parameter"])


def test_an_explicit_deny_wins(secrets_as, parameters_as, shelf):
    careful = secrets_as("careful")
    assert careful.get_secret_value(SecretId="other/secret")["SecretString"] == "canary-8f1d other"
    action = "secretsmanager:GetSecretValue"
    with refused("AccessDeniedException", denial("careful", action, shelf["denied"], EXPLICIT)):
        careful.get_secret_value(SecretId=shelf["denied"])
    with refused(
        "AccessDeniedException",
        denial("careful", "ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/denied/parameter", EXPLICIT),
    ):
        parameters_as("careful").get_parameter(Name="/denied/parameter")


@pytest.mark.parametrize("user", ["nobody", "reader", "careful"])
def test_a_denial_does_not_tell_what_exists(secrets_as, shelf, user):
    """The same words for a secret that is there and for one that is not, but for the name that was asked for."""
    prefix = "denied" if user == "careful" else "other"
    there = message(secrets_as(user).get_secret_value, SecretId=f"{prefix}/secret")
    not_there = message(secrets_as(user).get_secret_value, SecretId=f"{prefix}/absent")
    assert there[0] == not_there[0] == "AccessDeniedException"
    assert there[1].replace(f"{prefix}/secret", "X") == not_there[1].replace(f"{prefix}/absent", "X")


def test_by_arn_as_well(secrets_as, shelf):
    real, guessed = shelf["other"], shelf["other"][:-6] + "AbCdEf"
    there = message(secrets_as("nobody").get_secret_value, SecretId=real)
    not_there = message(secrets_as("nobody").get_secret_value, SecretId=guessed)
    assert there[1].replace(real, "X") == not_there[1].replace(guessed, "X")


def test_whoever_may_read_it_learns_that_it_is_not_there(secrets_as, shelf):
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets_as("reader").get_secret_value(SecretId="allowed/absent")


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("create_secret", {"Name": "mine", "SecretString": "canary-8f1d"}),
        ("put_secret_value", {"SecretId": "allowed/secret", "SecretString": "canary-8f1d"}),
        ("update_secret", {"SecretId": "allowed/secret", "Description": "mine"}),
        ("describe_secret", {"SecretId": "allowed/secret"}),
        ("delete_secret", {"SecretId": "allowed/secret"}),
        ("list_secrets", {}),
    ],
)
def test_reading_is_not_writing(secrets_as, shelf, operation, arguments):
    before = secrets_as("admin").describe_secret(SecretId="allowed/secret")["VersionIdsToStages"]
    code, _ = message(getattr(secrets_as("reader"), operation), **arguments)
    assert code == "AccessDeniedException"
    assert secrets_as("admin").describe_secret(SecretId="allowed/secret")["VersionIdsToStages"] == before


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("put_parameter", {"Name": "/allowed/parameter", "Value": "v", "Type": "String", "Overwrite": True}),
        ("delete_parameter", {"Name": "/allowed/parameter"}),
    ],
)
def test_reading_is_not_writing_for_parameters(parameters_as, shelf, operation, arguments):
    code, _ = message(getattr(parameters_as("reader"), operation), **arguments)
    assert code == "AccessDeniedException"
    found = parameters_as("admin").get_parameter(Name="/allowed/parameter", WithDecryption=True)
    assert found["Parameter"]["Value"] == "canary-8f1d allowed"


def test_denials_are_in_the_audit_log(served, secrets_as, shelf):
    message(secrets_as("nobody").get_secret_value, SecretId=shelf["other"])
    search = brokers.sealdock(
        "audit", "search", "--data", served.directory, "--event", "GetSecretValue", "--limit", "200", "--json"
    )
    assert search.returncode == 0, search.stderr
    denied = [
        event
        for event in map(json.loads, search.stdout.splitlines())
        if event.get("errorCode") in ("AccessDenied", "AccessDeniedException")
        and event["userIdentity"]["arn"] == f"arn:aws:iam::{ACCOUNT}:user/nobody"
    ]
    assert denied
    assert denied[0]["eventSource"] == "secretsmanager.amazonaws.com"
    assert "canary-8f1d" not in search.stdout


def test_a_key_that_was_disabled(served, users):
    key = brokers.access_key(served, "reader")
    client = conftest.client("secretsmanager", served.tls, key, verify=served.ca)
    message(client.get_secret_value, SecretId="allowed/absent")
    for verb in ("disable", "delete"):
        done = brokers.sealdock("key", verb, key[0], "--socket", served.socket)
        assert done.returncode == 0, done.stderr
        code, _ = message(client.get_secret_value, SecretId="allowed/absent")
        assert code in {"UnrecognizedClientException", "InvalidClientTokenId"}


def message(call, **arguments):
    """The code and message that a call fails with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert "canary-8f1d" not in json.dumps(caught.value.response, default=str)
    return error["Code"], error.get("Message", "")


def test_the_words_are_whole(secrets_as, shelf):
    _, text = message(secrets_as("nobody").list_secrets)
    assert text == Matching(
        rf"User: arn:aws:iam::{ACCOUNT}:user/nobody is not authorized to perform: secretsmanager:ListSecrets"
        r"( on resource: \S+)? because no identity-based policy allows the secretsmanager:ListSecrets action"
    )
