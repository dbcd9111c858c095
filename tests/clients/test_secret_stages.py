"""UpdateSecretVersionStage and ListSecretVersionIds: which version carries which label, and the list of them all."""

import uuid

import pytest

from conftest import make_key
from expect import MARKED, NO_SECRET, RECENTLY, TODAY, body, refused


@pytest.fixture
def versions(secrets, name):
    """The ids of three versions, the oldest without a label, then AWSPREVIOUS and AWSCURRENT."""
    ids = [secrets.create_secret(Name=name, SecretString="canary-8f1d 0")["VersionId"]]
    ids += [secrets.put_secret_value(SecretId=name, SecretString=f"canary-8f1d {n}")["VersionId"] for n in (1, 2)]
    return ids


def stages(secrets, name):
    found = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    return {version: sorted(labels) for version, labels in found.items()}


def held(stage, version):
    return (
        f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version "
        f"{version}, so you must explicitly reference that version in RemoveFromVersionId."
    )


class TestUpdateSecretVersionStage:
    def test_moving_current_back(self, secrets, name, versions):
        oldest, previous, current = versions
        answer = secrets.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=previous, RemoveFromVersionId=current
        )
        assert body(answer) == {"ARN": secrets.describe_secret(SecretId=name)["ARN"], "Name": name}
        assert stages(secrets, name) == {previous: ["AWSCURRENT"], current: ["AWSPREVIOUS"]}
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == "canary-8f1d 1"
        secrets.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=oldest, RemoveFromVersionId=previous
        )
        assert stages(secrets, name) == {oldest: ["AWSCURRENT"], previous: ["AWSPREVIOUS"]}

    def test_the_last_step_of_a_rotation(self, secrets, name, versions):
        current = versions[2]
        pending = secrets.put_secret_value(
            SecretId=name, SecretString="canary-8f1d new", VersionStages=["AWSPENDING"]
        )["VersionId"]
        secrets.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=pending, RemoveFromVersionId=current
        )
        assert stages(secrets, name) == {pending: ["AWSCURRENT", "AWSPENDING"], current: ["AWSPREVIOUS"]}
        secrets.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=pending)
        assert stages(secrets, name) == {pending: ["AWSCURRENT"], current: ["AWSPREVIOUS"]}

    def test_a_label_of_ones_own(self, secrets, name, versions):
        oldest, previous, current = versions
        for _ in range(2):
            secrets.update_secret_version_stage(SecretId=name, VersionStage="mine", MoveToVersionId=oldest)
            assert stages(secrets, name)[oldest] == ["mine"]
        with refused("InvalidParameterException", held("mine", oldest)):
            secrets.update_secret_version_stage(SecretId=name, VersionStage="mine", MoveToVersionId=current)
        secrets.update_secret_version_stage(
            SecretId=name, VersionStage="mine", MoveToVersionId=current, RemoveFromVersionId=oldest
        )
        assert stages(secrets, name) == {previous: ["AWSPREVIOUS"], current: ["AWSCURRENT", "mine"]}
        secrets.update_secret_version_stage(SecretId=name, VersionStage="mine", RemoveFromVersionId=current)
        assert stages(secrets, name) == {previous: ["AWSPREVIOUS"], current: ["AWSCURRENT"]}

    def test_what_is_refused(self, secrets, name, versions):
        oldest, previous, current = versions
        before = stages(secrets, name)

        def move(stage, **which):
            secrets.update_secret_version_stage(SecretId=name, VersionStage=stage, **which)

        with refused("InvalidParameterException", held("AWSCURRENT", current)):
            move("AWSCURRENT", MoveToVersionId=oldest)
        with refused("InvalidParameterException", held("AWSCURRENT", current)):
            move("AWSCURRENT")
        with refused(
            "InvalidParameterException",
            f"Staging label AWSCURRENT is not currently attached to version {previous}.",
        ):
            move("AWSCURRENT", MoveToVersionId=oldest, RemoveFromVersionId=previous)
        with refused(
            "InvalidParameterException",
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
        ):
            move("AWSCURRENT", RemoveFromVersionId=current)
        with refused("InvalidParameterException", "You must provide either MoveToVersionId or RemoveFromVersionId."):
            move("mine")
        nothing = str(uuid.uuid4())
        for which in ("MoveToVersionId", "RemoveFromVersionId"):
            with refused(
                "ResourceNotFoundException",
                f"Secrets Manager can't find the specified secret value for VersionId: {nothing}",
            ):
                move("mine", **{which: nothing})
        assert stages(secrets, name) == before

    def test_twenty_labels_and_no_more(self, secrets, name, versions):
        for number in range(19):
            secrets.update_secret_version_stage(
                SecretId=name, VersionStage=f"label{number}", MoveToVersionId=versions[2]
            )
        with refused(
            "LimitExceededException", "You can't have more than 20 staging labels attached to a version."
        ):
            secrets.update_secret_version_stage(SecretId=name, VersionStage="more", MoveToVersionId=versions[2])

    def test_no_secret_and_one_marked_for_deletion(self, secrets, name, versions):
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.update_secret_version_stage(SecretId=name + "x", VersionStage="mine", MoveToVersionId=versions[0])
        secrets.delete_secret(SecretId=name)
        with refused("InvalidRequestException", MARKED):
            secrets.update_secret_version_stage(SecretId=name, VersionStage="mine", MoveToVersionId=versions[0])


class TestListSecretVersionIds:
    def test_an_entry(self, secrets, name, value):
        created = secrets.create_secret(Name=name, SecretString=value)
        entry = {
            "VersionId": created["VersionId"],
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": RECENTLY,
            "KmsKeyIds": ["DefaultEncryptionKey"],
        }
        listed = {"Versions": [entry], "ARN": created["ARN"], "Name": name}
        for identifier in (name, created["ARN"], created["ARN"].rsplit("-", 1)[0]):
            assert body(secrets.list_secret_version_ids(SecretId=identifier)) == listed

    def test_the_day_of_the_last_read(self, secrets, name, versions):
        secrets.get_secret_value(SecretId=name, VersionId=versions[1])
        days = {
            version["VersionId"]: version.get("LastAccessedDate")
            for version in secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
        }
        assert days == {versions[0]: None, versions[1]: TODAY, versions[2]: None}

    def test_a_key_of_ones_own(self, secrets, kms, name, value):
        make_key(kms, "alias/mine")
        secrets.create_secret(Name=name, SecretString=value, KmsKeyId="alias/mine")
        (entry,) = secrets.list_secret_version_ids(SecretId=name)["Versions"]
        assert entry["KmsKeyIds"] == ["alias/mine"]

    def test_deprecated_versions_on_request(self, secrets, name, versions):
        oldest, previous, current = versions

        def listed(**options):
            found = secrets.list_secret_version_ids(SecretId=name, **options)["Versions"]
            return [(version["VersionId"], version.get("VersionStages")) for version in found]

        staged = [(previous, ["AWSPREVIOUS"]), (current, ["AWSCURRENT"])]
        assert listed() == staged
        assert listed(IncludeDeprecated=False) == staged
        assert listed(IncludeDeprecated=True) == [(oldest, None), *staged]

    def test_pages(self, secrets, name, versions):
        found, token = [], {}
        while True:
            page = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=1, **token)
            found.append([version["VersionId"] for version in page["Versions"]])
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert found == [[version] for version in versions]

    def test_a_page_token_stays_right_while_versions_come(self, secrets, name, versions):
        first = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=2)
        added = secrets.put_secret_value(SecretId=name, SecretString="canary-8f1d 3")["VersionId"]
        rest = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, NextToken=first["NextToken"])
        assert [version["VersionId"] for version in rest["Versions"]] == [versions[2], added]
        assert "NextToken" not in rest

    def test_page_tokens_that_are_none(self, secrets, name, versions):
        other = name + "/other"
        secrets.create_secret(Name=other, SecretString="canary-8f1d")
        theirs = secrets.list_secret_version_ids(SecretId=name, MaxResults=1)["NextToken"]
        of_secrets = secrets.list_secrets(MaxResults=1)["NextToken"]
        for identifier, token in [(other, theirs), (name, of_secrets), (name, "x"), (name, theirs[:-4])]:
            with refused("InvalidNextTokenException", "The NextToken value is invalid."):
                secrets.list_secret_version_ids(SecretId=identifier, NextToken=token)
        with refused("InvalidNextTokenException", "The NextToken value is invalid."):
            secrets.list_secrets(NextToken=theirs)

    def test_a_secret_without_a_version_and_one_marked_for_deletion(self, secrets, name):
        secrets.create_secret(Name=name)
        assert secrets.list_secret_version_ids(SecretId=name)["Versions"] == []
        secrets.delete_secret(SecretId=name)
        assert secrets.list_secret_version_ids(SecretId=name)["Versions"] == []
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.list_secret_version_ids(SecretId=name + "x")
