"""Secrets under KMS keys of their own: what a key's state, its rotation and its aliases mean for them."""

import uuid

import pytest

from broker import ACCOUNT, REGION
from conftest import make_key
from expect import Matching, refused

NO_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"


def cannot_decrypt(cause):
    text = f"Secrets Manager can't decrypt the protected secret text using the provided KMS key. {cause}"
    return refused("DecryptionFailure", text)


def cannot_encrypt(cause):
    text = (
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is "
        f"available, enabled, and not in an invalid state. {cause}"
    )
    return refused("EncryptionFailure", text)


@pytest.fixture
def key(kms):
    return make_key(kms)


@pytest.fixture
def alias():
    return f"alias/test/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def sealed(secrets, name, value, key):
    """A secret under `key`."""
    return secrets.create_secret(Name=name, SecretString=value, KmsKeyId=key)["ARN"]


def read(secrets, name, **which):
    return secrets.get_secret_value(SecretId=name, **which)["SecretString"]


def unusable(kms, key, how):
    """Makes a key unusable; what KMS then says of it."""
    if how == "disabled":
        kms.disable_key(KeyId=key)
        return f"{key} is disabled."
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    return f"{key} is pending deletion."


def usable(kms, key, how):
    if how == "pending deletion":
        kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)


STATES = pytest.mark.parametrize("how", ["disabled", "pending deletion"])


class TestStates:
    @STATES
    def test_nothing_is_read_until_the_key_is_back(self, secrets, kms, name, value, key, sealed, how):
        cause = unusable(kms, key, how)
        for which in ({}, {"VersionStage": "AWSCURRENT"}):
            with cannot_decrypt(cause):
                secrets.get_secret_value(SecretId=name, **which)
        batch = secrets.batch_get_secret_value(SecretIdList=[name])
        (error,) = batch["Errors"]
        assert batch["SecretValues"] == []
        assert (error["SecretId"], error["ErrorCode"]) == (name, "DecryptionFailure") and cause in error["Message"]
        usable(kms, key, how)
        assert read(secrets, name) == value

    @STATES
    def test_nothing_is_written_until_the_key_is_back(self, secrets, kms, name, value, key, sealed, how):
        cause = unusable(kms, key, how)
        calls = (
            lambda: secrets.put_secret_value(SecretId=name, SecretString=value + "2"),
            lambda: secrets.update_secret(SecretId=name, SecretString=value + "2"),
            lambda: secrets.create_secret(Name=name + "x", SecretString=value, KmsKeyId=key),
            lambda: secrets.create_secret(Name=name + "x", KmsKeyId=key),
        )
        for call in calls:
            with cannot_encrypt(cause):
                call()
        other = secrets.create_secret(Name=name + "/own", SecretString=value)["ARN"]
        with cannot_encrypt(cause):
            secrets.update_secret(SecretId=other, KmsKeyId=key)
        assert "KmsKeyId" not in secrets.describe_secret(SecretId=other)
        usable(kms, key, how)
        assert list(secrets.describe_secret(SecretId=name)["VersionIdsToStages"].values()) == [["AWSCURRENT"]]
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert read(secrets, name) == value + "2"

    @STATES
    def test_what_needs_no_value_works(self, secrets, kms, name, value, key, sealed, how):
        unusable(kms, key, how)
        assert secrets.describe_secret(SecretId=name)["KmsKeyId"] == key
        secrets.update_secret(SecretId=name, Description="d")
        secrets.tag_resource(SecretId=name, Tags=[{"Key": "k", "Value": "v"}])
        secrets.delete_secret(SecretId=name)
        secrets.restore_secret(SecretId=name)
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def test_keys_that_do_not_exist(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        for named, cause in (
            (NO_KEY, f"Key '{NO_KEY}' does not exist"),
            (NO_KEY.rsplit("/", 1)[1], f"Key '{NO_KEY}' does not exist"),
            ("alias/nothing", f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/nothing is not found."),
            ("nothing", "Invalid keyId 'nothing'"),
        ):
            with cannot_encrypt(cause):
                secrets.create_secret(Name=name + "x", SecretString=value, KmsKeyId=named)
            with cannot_encrypt(cause):
                secrets.update_secret(SecretId=name, KmsKeyId=named)
        assert read(secrets, name) == value
        with refused("AccessDeniedException", "Access to KMS is not allowed"):
            secrets.create_secret(Name=name + "x", SecretString=value, KmsKeyId="alias/aws/ssm")


class TestRotatedKeys:
    def test_every_version_opens(self, secrets, kms, name, value, key, sealed):
        versions = [secrets.describe_secret(SecretId=name)["VersionIdsToStages"].popitem()[0]]
        for number in range(3):
            kms.rotate_key_on_demand(KeyId=key)
            put = secrets.put_secret_value(SecretId=name, SecretString=f"{value}{number}", VersionStages=[f"s{number}"])
            versions.append(put["VersionId"])
        expected = [value, *(f"{value}{number}" for number in range(3))]
        assert [read(secrets, name, VersionId=version) for version in versions] == expected


class TestAnotherKey:
    def test_the_labelled_versions_move_and_the_others_stay(self, secrets, kms, name, value, key, sealed):
        first = secrets.get_secret_value(SecretId=name)["VersionId"]
        for number in (2, 3):
            secrets.put_secret_value(SecretId=name, SecretString=f"{value}{number}")
        new = make_key(kms)
        secrets.update_secret(SecretId=name, KmsKeyId=new)
        assert secrets.describe_secret(SecretId=name)["KmsKeyId"] == new
        listed = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
        assert sorted(version["KmsKeyIds"][0] for version in listed) == sorted([key, new, new])
        kms.disable_key(KeyId=key)
        assert read(secrets, name) == f"{value}3"
        assert read(secrets, name, VersionStage="AWSPREVIOUS") == f"{value}2"
        with cannot_decrypt(f"{key} is disabled."):
            read(secrets, name, VersionId=first)

    def test_a_version_whose_key_is_disabled_stays_there(self, secrets, kms, name, value, key, sealed):
        new = make_key(kms)
        kms.disable_key(KeyId=key)
        secrets.update_secret(SecretId=name, KmsKeyId=new)
        with cannot_decrypt(f"{key} is disabled."):
            read(secrets, name)
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert read(secrets, name) == value + "2"
        kms.enable_key(KeyId=key)
        assert read(secrets, name, VersionStage="AWSPREVIOUS") == value

    @pytest.mark.parametrize("named", ["", "alias/aws/secretsmanager"])
    def test_back_to_the_services_own(self, secrets, kms, name, value, key, sealed, named):
        secrets.update_secret(SecretId=name, KmsKeyId=named)
        assert "KmsKeyId" not in secrets.describe_secret(SecretId=name)
        kms.disable_key(KeyId=key)
        assert read(secrets, name) == value
        (version,) = secrets.list_secret_version_ids(SecretId=name)["Versions"]
        assert version["KmsKeyIds"] == ["DefaultEncryptionKey"]


class TestAliases:
    def test_what_is_sealed_does_not_move_along(self, secrets, kms, name, value, alias):
        old, new = make_key(kms, alias), make_key(kms)
        secrets.create_secret(Name=name, SecretString=value, KmsKeyId=alias)
        assert secrets.describe_secret(SecretId=name)["KmsKeyId"] == alias
        kms.update_alias(AliasName=alias, TargetKeyId=new)
        kms.disable_key(KeyId=new)
        assert read(secrets, name) == value
        with cannot_encrypt(f"{new} is disabled."):
            secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        kms.enable_key(KeyId=new)
        kms.disable_key(KeyId=old)
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert read(secrets, name) == value + "2"
        with cannot_decrypt(f"{old} is disabled."):
            read(secrets, name, VersionStage="AWSPREVIOUS")

    def test_an_alias_that_is_gone(self, secrets, kms, name, value, alias):
        make_key(kms, alias)
        secrets.create_secret(Name=name, SecretString=value, KmsKeyId=alias)
        kms.delete_alias(AliasName=alias)
        assert read(secrets, name) == value
        with cannot_encrypt(f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:{alias} is not found."):
            secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        secrets.update_secret(SecretId=name, KmsKeyId="", SecretString=value + "3")
        assert read(secrets, name) == value + "3"


def test_a_repeated_request_is_no_second_version(secrets, kms, name, value, key, sealed):
    token = str(uuid.uuid4())
    for _ in range(2):
        put = secrets.put_secret_value(SecretId=name, SecretString=value + "2", ClientRequestToken=token)
        assert put["VersionId"] == token
    with refused("ResourceExistsException", Matching(r"You can't use ClientRequestToken .*")):
        secrets.put_secret_value(SecretId=name, SecretString=value + "3", ClientRequestToken=token)
    assert read(secrets, name) == value + "2"
