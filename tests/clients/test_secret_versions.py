"""Versions and staging labels: what moves, what stays, and tokens that make a repeated request harmless."""

import uuid

import pytest

from expect import Matching, body, refused


def token():
    return str(uuid.uuid4())


def stages(secrets, name):
    """The labels of each version; their order says nothing."""
    found = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    return {version: sorted(labels) for version, labels in found.items()}


def read(secrets, name, **selector):
    return secrets.get_secret_value(SecretId=name, **selector)["SecretString"]


def test_current_and_previous(secrets, name):
    first = secrets.create_secret(Name=name, SecretString="canary-8f1d 1")["VersionId"]
    second = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2")["VersionId"]
    assert stages(secrets, name) == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    assert read(secrets, name) == "canary-8f1d 2"
    assert read(secrets, name, VersionStage="AWSPREVIOUS") == "canary-8f1d 1"
    third = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 3")["VersionId"]
    assert stages(secrets, name) == {second: ["AWSPREVIOUS"], third: ["AWSCURRENT"]}
    assert read(secrets, name, VersionStage="AWSPREVIOUS") == "canary-8f1d 2"


def test_a_version_without_a_label_can_still_be_read_by_its_id(secrets, name):
    first = secrets.create_secret(Name=name, SecretString="canary-8f1d 1")["VersionId"]
    for number in (2, 3):
        secrets.put_secret_value(SecretId=name, SecretString=f"canary-8f1d {number}")
    old = secrets.get_secret_value(SecretId=name, VersionId=first)
    assert old["SecretString"] == "canary-8f1d 1"
    assert old.get("VersionStages", []) == []


def test_what_a_put_answers(secrets, name, value):
    arn = secrets.create_secret(Name=name)["ARN"]
    identifier = token()
    put = secrets.put_secret_value(SecretId=arn, SecretString=value, ClientRequestToken=identifier)
    assert body(put) == {"ARN": arn, "Name": name, "VersionId": identifier, "VersionStages": ["AWSCURRENT"]}


def test_pending_leaves_current_alone(secrets, name):
    first = secrets.create_secret(Name=name, SecretString="canary-8f1d now")["VersionId"]
    pending = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d soon", VersionStages=["AWSPENDING"])
    assert pending["VersionStages"] == ["AWSPENDING"]
    assert stages(secrets, name) == {first: ["AWSCURRENT"], pending["VersionId"]: ["AWSPENDING"]}
    assert read(secrets, name) == "canary-8f1d now"
    assert read(secrets, name, VersionStage="AWSPENDING") == "canary-8f1d soon"


def test_custom_labels_move_to_the_newest_version(secrets, name):
    first = secrets.create_secret(Name=name, SecretString="canary-8f1d 0")["VersionId"]
    one = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 1", VersionStages=["one", "two", "three"])
    assert sorted(one["VersionStages"]) == ["one", "three", "two"]
    two = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2", VersionStages=["one", "two", "four"])
    assert sorted(two["VersionStages"]) == ["four", "one", "two"]
    assert stages(secrets, name) == {
        first: ["AWSCURRENT"],
        one["VersionId"]: ["three"],
        two["VersionId"]: ["four", "one", "two"],
    }


def test_a_first_value_that_is_not_current(secrets, name, value):
    """Whatever labels the first version is given, a secret's first version is AWSCURRENT too, or has only its own."""
    secrets.create_secret(Name=name)
    secrets.put_secret_value(SecretId=name, SecretString=value, VersionStages=["mine"])
    (labels,) = stages(secrets, name).values()
    assert labels in (["mine"], ["AWSCURRENT", "mine"])


def test_current_with_a_custom_label(secrets, name):
    first = secrets.create_secret(Name=name, SecretString="canary-8f1d 1")["VersionId"]
    second = secrets.put_secret_value(
        SecretId=name, SecretString="canary-8f1d 2", VersionStages=["PUT0", "AWSCURRENT"]
    )
    assert sorted(second["VersionStages"]) == ["AWSCURRENT", "PUT0"]
    third = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 3", VersionStages=["AWSCURRENT"])
    assert stages(secrets, name) == {
        second["VersionId"]: ["AWSPREVIOUS", "PUT0"],
        third["VersionId"]: ["AWSCURRENT"],
    }
    assert first not in stages(secrets, name)


def test_twenty_labels_fit(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    labels = sorted(f"label{number:02}" for number in range(20))
    put = secrets.put_secret_value(SecretId=name, SecretString=value, VersionStages=labels)
    assert sorted(put["VersionStages"]) == labels


class TestTokens:
    """ClientRequestToken is the version's id, and the key of its idempotency."""

    def test_the_same_again_changes_nothing(self, secrets, name, value):
        identifier = token()
        first = secrets.create_secret(Name=name, SecretString=value, ClientRequestToken=identifier)
        again = secrets.create_secret(Name=name, SecretString=value, ClientRequestToken=identifier)
        assert body(again) == body(first) and first["VersionId"] == identifier
        assert stages(secrets, name) == {identifier: ["AWSCURRENT"]}

        following = token()
        put = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2", ClientRequestToken=following)
        repeat = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2", ClientRequestToken=following)
        assert body(repeat) == body(put)
        assert stages(secrets, name) == {identifier: ["AWSPREVIOUS"], following: ["AWSCURRENT"]}

    def test_an_old_put_repeated_does_not_move_labels_back(self, secrets, name):
        first, second = token(), token()
        secrets.create_secret(Name=name)
        secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 1", ClientRequestToken=first)
        secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2", ClientRequestToken=second)
        before = stages(secrets, name)
        secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 1", ClientRequestToken=first)
        assert stages(secrets, name) == before
        assert read(secrets, name) == "canary-8f1d 2"

    @pytest.mark.parametrize("operation", ["put_secret_value", "update_secret"])
    def test_the_same_with_another_value_is_refused(self, secrets, name, operation):
        identifier = token()
        arn = secrets.create_secret(Name=name, SecretString="canary-8f1d 1", ClientRequestToken=identifier)["ARN"]
        with refused(
            "ResourceExistsException",
            Matching(
                f"You can't use ClientRequestToken {identifier} because that value is already in use "
                rf"for a version of secret {arn}\.?"
            ),
        ):
            getattr(secrets, operation)(SecretId=name, SecretString="canary-8f1d 2", ClientRequestToken=identifier)
        assert read(secrets, name) == "canary-8f1d 1"

    def test_text_and_binary_of_the_same_bytes_are_two_values(self, secrets, name):
        identifier = token()
        secrets.create_secret(Name=name, SecretString="canary-8f1d", ClientRequestToken=identifier)
        with pytest.raises(secrets.exceptions.ResourceExistsException):
            secrets.put_secret_value(SecretId=name, SecretBinary=b"canary-8f1d", ClientRequestToken=identifier)

    def test_two_secrets_may_use_one_token(self, secrets, name, value):
        identifier = token()
        for tail in ("/a", "/b"):
            created = secrets.create_secret(Name=name + tail, SecretString=value, ClientRequestToken=identifier)
            assert created["VersionId"] == identifier


    @pytest.mark.parametrize("operation", ["CreateSecret", "PutSecretValue", "UpdateSecret"])
    def test_a_value_without_one_is_refused(self, raw_secrets, name, value, operation):
        """Every CLI and SDK makes a token; a client that makes none could not repeat its request safely."""
        secret = {"Name": name} if operation == "CreateSecret" else {"SecretId": name}
        answer = raw_secrets(operation, {**secret, "SecretString": value})
        assert (answer.status, answer.code, answer.message) == (
            400,
            "InvalidRequestException",
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        )


class TestSelectors:
    def test_by_id(self, secrets, name):
        first = secrets.create_secret(Name=name, SecretString="canary-8f1d 1")["VersionId"]
        second = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2")["VersionId"]
        assert read(secrets, name, VersionId=first) == "canary-8f1d 1"
        assert read(secrets, name, VersionId=second) == "canary-8f1d 2"

    def test_id_and_stage_that_agree(self, secrets, name):
        first = secrets.create_secret(Name=name, SecretString="canary-8f1d 1")["VersionId"]
        secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2")
        answer = secrets.get_secret_value(SecretId=name, VersionId=first, VersionStage="AWSPREVIOUS")
        assert (answer["SecretString"], answer["VersionStages"]) == ("canary-8f1d 1", ["AWSPREVIOUS"])

    def test_id_and_stage_that_do_not(self, secrets, name):
        first = secrets.create_secret(Name=name, SecretString="canary-8f1d 1")["VersionId"]
        secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 2")
        with refused(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ):
            secrets.get_secret_value(SecretId=name, VersionId=first, VersionStage="AWSCURRENT")

    @pytest.mark.parametrize("stage", ["AWSPENDING", "AWSPREVIOUS", "nothing", "awscurrent"])
    def test_a_label_on_no_version(self, secrets, name, value, stage):
        secrets.create_secret(Name=name, SecretString=value)
        with refused(
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for staging label: {stage}",
        ):
            secrets.get_secret_value(SecretId=name, VersionStage=stage)

    def test_an_id_of_no_version(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        unknown = token()
        with refused(
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for VersionId: {unknown}",
        ):
            secrets.get_secret_value(SecretId=name, VersionId=unknown)
