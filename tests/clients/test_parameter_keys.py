"""SecureStrings under KMS keys: which key, who may use it, and what becomes of the values when it may not be used."""

import json
import uuid

import pytest

import broker as brokers
import policies
from broker import ACCOUNT, REGION
from conftest import client, find_canary, make_key
from expect import Matching, body, parameter_arn, refused

PARAMETERS = ["ssm:*"]
VIA = {"StringEquals": {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}}


def of_kms(text, code):
    return Matching(rf"{text} \(Service: AWSKMS; Status Code: 400; Error Code: {code}\)")


def allow(actions, condition=None):
    return policies.statement("Allow", actions, condition)


USERS = {
    "owner": [allow(["ssm:*", "kms:*"])],
    "writer": [allow(PARAMETERS), allow("kms:Encrypt", VIA)],
    "advanced": [allow(PARAMETERS), allow("kms:GenerateDataKey", VIA)],
    "reader": [
        allow(PARAMETERS),
        allow("kms:Decrypt", {"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": parameter_arn("/open/*")}} | VIA),
    ],
    "plain": [allow(PARAMETERS)],
}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    users = [policies.user(name, *statements) for name, statements in USERS.items()]
    broker = brokers.served(tmp_path_factory.mktemp("keys") / "data", policies.export(users))
    yield broker
    assert broker.stop() == 0
    assert find_canary(broker) == []


@pytest.fixture(scope="module")
def access(vault):
    return {user: brokers.access_key(vault, user) for user in USERS}


@pytest.fixture(scope="module")
def as_user(vault, access):
    made = {user: client("ssm", vault.tls, key, verify=vault.ca) for user, key in access.items()}
    return made.__getitem__


@pytest.fixture(scope="module")
def keys(vault, access):
    return client("kms", vault.tls, access["owner"], verify=vault.ca)


@pytest.fixture
def key(keys):
    """A key of this test, under an alias: the ARN and the alias."""
    alias = f"alias/test-{uuid.uuid4().hex[:8]}"
    return make_key(keys, alias), alias


@pytest.fixture
def path(name):
    return f"/open/{name}"


def put(ssm, path, value, **more):
    return ssm.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True, **more)


def get(ssm, path, decrypt=True):
    return ssm.get_parameter(Name=path, WithDecryption=decrypt)["Parameter"]["Value"]


def audited(vault, **wanted):
    lines = [json.loads(line) for file in (vault.directory / "audit").glob("*.jsonl") for line in file.open()]
    return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]


class TestNaming:
    @pytest.mark.parametrize("spelling", ["id", "arn", "alias", "alias arn"])
    def test_a_key_has_four_names_and_is_shown_by_the_one_given(self, as_user, key, path, value, spelling):
        arn, alias = key
        named = {
            "id": arn.rsplit("/", 1)[1],
            "arn": arn,
            "alias": alias,
            "alias arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}",
        }[spelling]
        ssm = as_user("owner")
        put(ssm, path, value, KeyId=named)
        (described,) = ssm.describe_parameters(ParameterFilters=[{"Key": "KeyId", "Values": [named]}])["Parameters"]
        assert (described["Name"], described["KeyId"]) == (path, named)
        (version,) = ssm.get_parameter_history(Name=path, WithDecryption=True)["Parameters"]
        assert (version["KeyId"], version["Value"]) == (named, value)
        assert get(ssm, path) == value

    def test_the_default(self, as_user, path, value):
        ssm = as_user("owner")
        for more in ({}, {"KeyId": "alias/aws/ssm"}, {"KeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ssm"}):
            put(ssm, path, value, **more)
        versions = ssm.get_parameter_history(Name=path)["Parameters"]
        assert {version["KeyId"] for version in versions} == {"alias/aws/ssm"}

    @pytest.mark.parametrize(
        "named, text",
        [
            ("alias/nobody", rf"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/nobody is not found\."),
            (
                "12345678-1234-1234-1234-123456789012",
                rf"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012' does not exist",
            ),
            ("my-key", "Invalid keyId '?my-key'?"),
            (f"arn:aws:kms:us-west-2:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012", "Invalid arn us-west-2"),
            (f"arn:aws:iam::{ACCOUNT}:user/owner", "Invalid arn .+"),
        ],
    )
    def test_a_key_that_is_none(self, as_user, path, value, named, text):
        with refused("InvalidKeyId", of_kms(text, "NotFoundException")):
            put(as_user("owner"), path, value, KeyId=named)
        with refused("ParameterNotFound", Matching(".*")):
            get(as_user("owner"), path)

    def test_the_key_of_another_service(self, as_user, path, value):
        with refused("AccessDeniedException", of_kms(".+", "AccessDeniedException")):
            put(as_user("owner"), path, value, KeyId="alias/aws/secretsmanager")

    def test_only_a_secure_string_has_one(self, as_user, key, path):
        with refused("ValidationException", "KeyId is required for SecureString type parameter only."):
            as_user("owner").put_parameter(Name=path, Value="v", Type="String", KeyId=key[1])

    def test_the_key_stays_until_another_is_named(self, as_user, keys, key, path, value):
        ssm, (arn, alias) = as_user("owner"), key
        other = make_key(keys)
        put(ssm, path, value, KeyId=alias)
        put(ssm, path, value + "2")
        # The alias counts, not the key that it meant before.
        keys.update_alias(AliasName=alias, TargetKeyId=other)
        put(ssm, path, value + "3")
        put(ssm, path, value + "4", KeyId="alias/aws/ssm")
        put(ssm, path, value + "5")
        shown = [version["KeyId"] for version in ssm.get_parameter_history(Name=path)["Parameters"]]
        assert shown == [alias, alias, alias, "alias/aws/ssm", "alias/aws/ssm"]
        keys.disable_key(KeyId=arn)
        for number in (1, 2):
            with refused("InvalidKeyId", of_kms(f"{arn} is disabled\\.", "DisabledException")):
                get(ssm, f"{path}:{number}")
        assert get(ssm, f"{path}:3") == value + "3"


class TestPermissions:
    def denied(self, user, action, key):
        return of_kms(
            rf"User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to perform: kms:{action} on resource: {key} "
            rf"because no .+ policy allows the kms:{action} action",
            "AccessDeniedException",
        )

    def test_the_default_key_takes_none(self, as_user, path, value):
        put(as_user("plain"), path, value)
        put(as_user("plain"), path, value, Tier="Advanced")
        assert get(as_user("plain"), path) == value

    def test_to_write(self, as_user, key, path, value):
        arn, alias = key
        put(as_user("writer"), path, value, KeyId=alias)
        with refused("AccessDeniedException", self.denied("plain", "Encrypt", arn)):
            put(as_user("plain"), path, value, KeyId=alias)
        with refused("AccessDeniedException", self.denied("plain", "Encrypt", arn)):
            put(as_user("plain"), path, value)
        with refused("AccessDeniedException", self.denied("advanced", "Encrypt", arn)):
            put(as_user("advanced"), path, value)
        with refused("AccessDeniedException", self.denied("writer", "GenerateDataKey", arn)):
            put(as_user("writer"), path, value, Tier="Advanced")
        assert put(as_user("advanced"), path, value, Tier="Advanced")["Version"] == 2
        # It is advanced now, whether or not that is said.
        with refused("AccessDeniedException", self.denied("writer", "GenerateDataKey", arn)):
            put(as_user("writer"), path, value)
        assert put(as_user("advanced"), path, "x" * 4097, Tier="Intelligent-Tiering")["Version"] == 3

    def test_to_read(self, as_user, key, path, name, value):
        arn, alias = key
        hidden = f"/hidden/{name}"
        for where in (path, hidden):
            put(as_user("owner"), where, value, KeyId=alias)
        assert get(as_user("reader"), path) == value
        no = self.denied("reader", "Decrypt", arn)
        ssm = as_user("reader")
        for call in (
            lambda: ssm.get_parameter(Name=hidden, WithDecryption=True),
            lambda: ssm.get_parameter(Name=f"{hidden}:1", WithDecryption=True),
            lambda: ssm.get_parameters(Names=[path, hidden], WithDecryption=True),
            lambda: ssm.get_parameters_by_path(Path="/hidden", Recursive=True, WithDecryption=True),
            lambda: ssm.get_parameter_history(Name=hidden, WithDecryption=True),
        ):
            with refused("AccessDeniedException", no):
                call()

    def test_the_sealed_form_takes_none(self, as_user, keys, key, path, value):
        put(as_user("owner"), path, value, KeyId=key[1])
        keys.disable_key(KeyId=key[0])
        ssm = as_user("plain")
        sealed = get(ssm, path, decrypt=False)
        assert value not in sealed
        assert ssm.get_parameters(Names=[path])["Parameters"][0]["Value"] == sealed
        assert ssm.get_parameter_history(Name=path)["Parameters"][0]["Value"] == sealed
        under = ssm.get_parameters_by_path(Path=path.rsplit("/", 1)[0])["Parameters"]
        assert sealed in [parameter["Value"] for parameter in under]
        keys.enable_key(KeyId=key[0])

    def test_the_key_policy_alone_will_do(self, as_user, keys, path, value):
        me = f"arn:aws:iam::{ACCOUNT}:user/plain"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
                {"Effect": "Allow", "Principal": {"AWS": me}, "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*"},
            ],
        }
        arn = make_key(keys, Policy=json.dumps(policy))
        put(as_user("plain"), path, value, KeyId=arn)
        assert get(as_user("plain"), path) == value

    def test_uses_are_on_record(self, vault, as_user, key, path, value):
        arn, alias = key
        put(as_user("writer"), path, value, KeyId=alias)
        get(as_user("owner"), path, decrypt=False)
        get(as_user("reader"), path)
        context = {"keyId": arn, "encryptionContext": {"PARAMETER_ARN": parameter_arn(path)}}
        uses = audited(vault, eventSource="kms.amazonaws.com", requestParameters=context)
        assert [(use["eventName"], use["userIdentity"]["userName"]) for use in uses] == [
            ("Encrypt", "writer"), ("Decrypt", "reader"),
        ]  # fmt: skip

    def test_one_record_for_a_page_of_history(self, vault, as_user, key, path, value):
        for number in range(3):
            put(as_user("owner"), path, f"{value}-{number}", KeyId=key[1])
        read = as_user("reader").get_parameter_history(Name=path, WithDecryption=True, MaxResults=2)
        assert [version["Value"] for version in read["Parameters"]] == [f"{value}-0", f"{value}-1"]
        context = {"keyId": key[0], "encryptionContext": {"PARAMETER_ARN": parameter_arn(path)}}
        assert len(audited(vault, eventName="Decrypt", requestParameters=context)) == 1


class TestStates:
    def unusable(self, ssm, path, text, code):
        for call in (
            lambda: ssm.get_parameter(Name=path, WithDecryption=True),
            lambda: ssm.get_parameters(Names=[path], WithDecryption=True),
            lambda: ssm.get_parameters_by_path(Path=path.rsplit("/", 1)[0], WithDecryption=True),
            lambda: ssm.get_parameter_history(Name=path, WithDecryption=True),
            lambda: put(ssm, path, "v"),
        ):
            with refused("InvalidKeyId", of_kms(text, code)):
                call()

    def test_disabled_and_pending_deletion(self, as_user, keys, key, path, value):
        ssm, (arn, alias) = as_user("owner"), key
        put(ssm, path + "/p", value, KeyId=alias)
        keys.disable_key(KeyId=arn)
        self.unusable(ssm, path + "/p", rf"{arn} is disabled\.", "DisabledException")
        keys.enable_key(KeyId=arn)
        assert get(ssm, path + "/p") == value
        keys.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
        self.unusable(ssm, path + "/p", rf"{arn} is pending deletion\.", "KMSInvalidStateException")
        keys.cancel_key_deletion(KeyId=arn)
        keys.enable_key(KeyId=arn)
        assert get(ssm, path + "/p") == value

    def test_a_rotated_key_opens_what_it_sealed(self, as_user, keys, key, path, value):
        ssm, (arn, alias) = as_user("owner"), key
        put(ssm, path, value, KeyId=alias)
        keys.rotate_key_on_demand(KeyId=arn)
        assert get(ssm, path) == value
        put(ssm, path, value + "2")
        versions = ssm.get_parameter_history(Name=path, WithDecryption=True)["Parameters"]
        assert [version["Value"] for version in versions] == [value, value + "2"]

    def test_across_a_restart(self, tmp_path, value):
        broker = brokers.dev(tmp_path / "data")
        access = broker.variables["AWS_ACCESS_KEY_ID"], broker.variables["AWS_SECRET_ACCESS_KEY"]
        arn = make_key(client("kms", broker.variables["AWS_ENDPOINT_URL"], access))
        put(client("ssm", broker.variables["AWS_ENDPOINT_URL"], access), "/a/b", value, KeyId=arn)
        assert broker.stop() == 0
        broker = brokers.dev(tmp_path / "data")
        access = broker.variables["AWS_ACCESS_KEY_ID"], broker.variables["AWS_SECRET_ACCESS_KEY"]
        ssm = client("ssm", broker.variables["AWS_ENDPOINT_URL"], access)
        assert get(ssm, "/a/b") == value
        (described,) = body(ssm.describe_parameters())["Parameters"]
        assert described["KeyId"] == arn
        assert broker.stop() == 0
        assert find_canary(broker) == []
