"""Secrets read as parameters: /aws/reference/secretsmanager/NAME[:SELECTOR]."""

import datetime
import json

import pytest

import broker as brokers
from expect import RECENTLY, Matching, body, parameter_arn, refused, secret_arn

PREFIX = "/aws/reference/secretsmanager/"
FLAG = "WithDecryption flag must be True for retrieving a Secret Manager secret."


def get(parameters, name, **more):
    return parameters.get_parameter(Name=PREFIX + name, **({"WithDecryption": True} | more))["Parameter"]


@pytest.fixture
def secret(secrets, name, value):
    return secrets.create_secret(Name=name, SecretString=value)


def test_the_whole_answer(parameters, secrets, secret, name, value):
    answer = body(parameters.get_parameter(Name=PREFIX + name, WithDecryption=True))["Parameter"]
    result = json.loads(answer.pop("SourceResult"))
    assert answer == {
        "Name": PREFIX + name,
        "Type": "SecureString",
        "Value": value,
        "Version": 0,
        "LastModifiedDate": RECENTLY,
        "ARN": secret_arn(name),
    }
    created = secrets.get_secret_value(SecretId=name)["CreatedDate"]
    date = result.pop("createdDate")
    assert date == f"{created.astimezone(datetime.timezone.utc):%b %-d, %Y, %-I:%M:%S %p}"
    assert result == {
        "ARN": secret["ARN"],
        "name": name,
        "versionId": secret["VersionId"],
        "secretString": value,
        "versionStages": ["AWSCURRENT"],
    }


def test_versions(parameters, secrets, secret, name, value):
    second = secrets.put_secret_value(SecretId=name, SecretString=value + "2")["VersionId"]
    token = "a-version-id-that-is-no-uuid-0123456789"
    secrets.put_secret_value(SecretId=name, SecretString=value + "3", ClientRequestToken=token, VersionStages=["mine"])
    for selector, expected in (
        ("", value + "2"),
        (":AWSCURRENT", value + "2"),
        (":AWSPREVIOUS", value),
        (":mine", value + "3"),
        (":" + secret["VersionId"], value),
        (":" + second, value + "2"),
        (":" + token, value + "3"),
    ):
        found = get(parameters, name + selector)
        assert (found["Name"], found["Value"], found.get("Selector", "")) == (PREFIX + name, expected, selector)
    by_arn = get(parameters, secret["ARN"] + ":AWSPREVIOUS")
    assert (by_arn["Name"], by_arn["Value"], by_arn["ARN"]) == (PREFIX + secret["ARN"], value, secret["ARN"])


@pytest.mark.parametrize("selector", ["none", "00000000-0000-4000-8000-000000000000", "AWSCURRENT::", "a b"])
def test_a_version_that_is_not_there(parameters, secret, name, selector):
    with refused(
        "ParameterVersionNotFound",
        Matching(r"An error occurred \(ResourceNotFoundException\) when referencing Secrets Manager: .+"),
    ):
        get(parameters, f"{name}:{selector}")
    answer = parameters.get_parameters(Names=[f"{PREFIX}{name}:{selector}"], WithDecryption=True)
    assert answer["InvalidParameters"] == [f"{PREFIX}{name}:{selector}"]


def test_decryption_has_to_be_asked_for(parameters, secret, name):
    for wanted in ({"WithDecryption": False}, {}):
        for names in (PREFIX + name, PREFIX + "none"):
            with refused("ValidationException", FLAG):
                parameters.get_parameter(Name=names, **wanted)
        with refused("ValidationException", FLAG):
            parameters.get_parameters(Names=[PREFIX + name], **wanted)


def test_no_such_secret(parameters, name):
    with refused(
        "ParameterNotFound",
        f"An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {PREFIX}{name} not found.",
    ):
        get(parameters, name)


def test_what_no_parameter_can_show(parameters, secrets, name, value):
    secrets.create_secret(Name=name, SecretBinary=value.encode())
    with refused(
        "ValidationException",
        Matching(r"An error occurred \(InvalidRequestException\) when referencing Secrets Manager: .+ SecretBinary.+"),
    ):
        get(parameters, name)
    secrets.delete_secret(SecretId=name)
    with refused(
        "ValidationException",
        Matching(r"An error occurred \(InvalidRequestException\) when referencing Secrets Manager: .+ deletion\."),
    ):
        get(parameters, name)


def test_among_parameters(parameters, secret, name, value):
    path = f"/{name}"
    parameters.put_parameter(Name=path, Value="plain", Type="String")
    missing = [path + "/none", PREFIX + name + "/none"]
    names = [path, PREFIX + name, *missing, PREFIX + name]
    answer = parameters.get_parameters(Names=names, WithDecryption=True)
    assert [(found["Name"], found["Value"]) for found in answer["Parameters"]] == [(PREFIX + name, value), (path, "plain")]
    assert answer["InvalidParameters"] == missing


def test_nothing_else_takes_them(parameters, secret, name):
    reference = PREFIX + name
    for call, arguments, code in (
        (parameters.put_parameter, {"Name": reference, "Value": "v", "Type": "String"}, "AccessDeniedException"),
        (parameters.get_parameter_history, {"Name": reference}, "ParameterNotFound"),
        (parameters.delete_parameter, {"Name": reference}, "AccessDeniedException"),
        (parameters.label_parameter_version, {"Name": reference, "Labels": ["a"]}, "ParameterNotFound"),
    ):
        with refused(code, Matching(".+")):
            call(**arguments)
    assert parameters.get_parameters_by_path(Path="/aws/reference/secretsmanager", Recursive=True)["Parameters"] == []


@pytest.fixture(scope="module")
def shelf(secrets_as):
    for name in ("allowed/reference", "elsewhere/reference", "denied/reference"):
        secrets_as("admin").create_secret(Name=name, SecretString="canary-8f1d-shelf")


class TestBothServicesDecide:
    @pytest.mark.parametrize(
        "user, name, text",
        [
            (
                "reader",
                "allowed/reference",
                rf"User: .+user/reader is not authorized to perform: ssm:GetParameter on resource: "
                rf"{parameter_arn(PREFIX + 'allowed/reference')} because .+",
            ),
            (
                "careful",
                "denied/reference",
                r"An error occurred \(AccessDeniedException\) when referencing Secrets Manager: User: .+user/careful is "
                r"not authorized to perform: secretsmanager:GetSecretValue on resource: denied/reference with an "
                r"explicit deny in an identity-based policy",
            ),
            ("nobody", "allowed/reference", r"User: .+ ssm:GetParameter .+"),
        ],
    )
    def test_refusals(self, parameters_as, shelf, user, name, text):
        with refused("AccessDeniedException", Matching(text)):
            get(parameters_as(user), name)

    def test_both_are_on_record(self, served, parameters_as, shelf):
        assert get(parameters_as("careful"), "elsewhere/reference")["Value"] == "canary-8f1d-shelf"
        search = brokers.sealdock(
            "audit", "search", "--data", served.directory, "--event", "GetParameter", "--limit", "50", "--json"
        )
        lines = [line for line in search.stdout.splitlines() if "elsewhere/reference" in line]
        assert len(lines) == 2
        assert any("arn:aws:secretsmanager:" in line for line in lines)
        assert any(parameter_arn(PREFIX + "elsewhere/reference") in line for line in lines)
