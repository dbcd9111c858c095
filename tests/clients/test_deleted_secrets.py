"""What a secret that is marked for deletion, and one that is gone, answers to each operation of Secrets Manager."""

import datetime

import pytest

import accounts
import broker as brokers
from accounts import policy, statement
from broker import REGION
from conftest import CANARY, client, dev_key, find_canary
from expect import MARKED, NO_SECRET, UUID, InDays, Matching, body, refused

VERSION = "11111111-2222-4333-8444-555555555555"
POLICY = policy(statement("Deny", {"AWS": "999988887777"}))

# What an operation answers for a secret that is marked for deletion: it works, or is refused with MARKED.
WORKS, REFUSED = "works", "refused"
OPERATIONS = {
    "CancelRotateSecret": ({}, REFUSED),
    "DeleteResourcePolicy": ({}, REFUSED),
    "DeleteSecret": ({"RecoveryWindowInDays": 7}, REFUSED),
    "DescribeSecret": ({}, WORKS),
    "GetResourcePolicy": ({}, REFUSED),
    "GetSecretValue": ({}, REFUSED),
    "ListResourcePolicies": ({}, REFUSED),
    "ListSecretVersionIds": ({}, WORKS),
    "PutResourcePolicy": ({"ResourcePolicy": POLICY}, REFUSED),
    "PutSecretValue": ({"SecretString": CANARY}, REFUSED),
    "RemoveRegionsFromReplication": ({"RemoveReplicaRegions": ["eu-west-1"]}, REFUSED),
    "ReplicateSecretToRegions": ({"AddReplicaRegions": [{"Region": "eu-west-1"}]}, REFUSED),
    "RestoreSecret": ({}, WORKS),
    "RotateSecret": ({}, REFUSED),
    "StopReplicationToReplica": ({}, REFUSED),
    "TagResource": ({"Tags": [{"Key": "k", "Value": "v"}]}, REFUSED),
    "UntagResource": ({"TagKeys": ["k"]}, REFUSED),
    "UpdateSecret": ({"Description": "new"}, REFUSED),
    "UpdateSecretVersionStage": ({"VersionStage": "mine", "MoveToVersionId": VERSION}, REFUSED),
    "ValidateResourcePolicy": ({"ResourcePolicy": POLICY}, REFUSED),
}
# These are not about one secret, or about one that is to be made.
OTHERS = {"BatchGetSecretValue", "CreateSecret", "GetRandomPassword", "ListSecrets"}


@pytest.fixture(scope="module")
def on_offer():
    """The operations that the program serves."""
    printed = brokers.sealdock("coverage")
    assert printed.returncode == 0, printed.stderr
    rows = [line.split() for line in printed.stdout.splitlines() if line.startswith("Secrets Manager")]
    return {operation for *_, operation, answer in rows if answer == "yes"}


@pytest.fixture
def marked(secrets, name, value):
    arn = secrets.create_secret(
        Name=name, SecretString=value, ClientRequestToken=VERSION, Tags=[{"Key": "k", "Value": "v"}]
    )["ARN"]
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    return arn


def call(secrets, operation, **arguments):
    method = secrets.meta.method_to_api_mapping
    (python,) = [name for name, api in method.items() if api == operation]
    return getattr(secrets, python)(**arguments)


def test_the_table_has_every_operation(secrets):
    model = set(secrets.meta.service_model.operation_names)
    new = {"AssociateCrossAccountReplica", "DisassociateCrossAccountReplica"}
    assert set(OPERATIONS) | OTHERS == model - new


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("by", ["name", "arn"])
def test_marked_for_deletion(secrets, on_offer, name, marked, operation, by):
    if operation not in on_offer:
        pytest.skip("not served")
    arguments, outcome = OPERATIONS[operation]
    arguments = {"SecretId": name if by == "name" else marked} | arguments
    before = body(secrets.describe_secret(SecretId=name))
    if outcome == WORKS:
        answer = call(secrets, operation, **arguments)
        assert (answer["ARN"], answer["Name"]) == (marked, name)
    else:
        with refused("InvalidRequestException", MARKED):
            call(secrets, operation, **arguments)
        assert body(secrets.describe_secret(SecretId=name)) == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_gone(secrets, on_offer, name, value, operation):
    if operation not in on_offer:
        pytest.skip("not served")
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    arguments, _ = OPERATIONS[operation]
    for identifier in (name, arn, arn[:-7]):
        with refused("ResourceNotFoundException", NO_SECRET):
            call(secrets, operation, SecretId=identifier, **arguments)


def test_what_is_shown_of_it(secrets, name, marked, value):
    described = body(secrets.describe_secret(SecretId=name))
    assert described["DeletedDate"] == InDays(0), "the day it was deleted; the window ends later"
    assert described["VersionIdsToStages"] == {VERSION: ["AWSCURRENT"]}
    (version,) = secrets.list_secret_version_ids(SecretId=name)["Versions"]
    assert version["VersionId"] == VERSION
    mine = {"Filters": [{"Key": "name", "Values": [name]}]}
    assert secrets.list_secrets(**mine)["SecretList"] == []
    (entry,) = secrets.list_secrets(IncludePlannedDeletion=True, **mine)["SecretList"]
    assert entry["DeletedDate"] == described["DeletedDate"]
    assert secrets.batch_get_secret_value(Filters=mine["Filters"])["SecretValues"] == []
    batch = secrets.batch_get_secret_value(SecretIdList=[name])
    assert batch["Errors"] == [{"SecretId": name, "ErrorCode": "InvalidRequestException", "Message": MARKED}]


def test_its_name_comes_back(secrets, name, marked, value):
    """A new secret of the name is another secret: policies that named the old one do not match it."""
    secrets.delete_secret(SecretId=marked, ForceDeleteWithoutRecovery=True)
    again = secrets.create_secret(Name=name, SecretString=value + "2")["ARN"]
    assert again != marked and again[:-7] == marked[:-7]
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.get_secret_value(SecretId=marked)
    for identifier in (name, again, again[:-7]):
        assert secrets.get_secret_value(SecretId=identifier)["SecretString"] == value + "2"
    assert [v["VersionId"] for v in secrets.list_secret_version_ids(SecretId=name)["Versions"]] == [UUID]


def test_restored_it_is_as_before(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value, ClientRequestToken=VERSION)
    secrets.put_resource_policy(SecretId=name, ResourcePolicy=POLICY)
    before = body(secrets.describe_secret(SecretId=name))
    deleted = secrets.delete_secret(SecretId=name)
    assert deleted["DeletionDate"] == InDays(30)
    secrets.restore_secret(SecretId=name)
    after = body(secrets.describe_secret(SecretId=name))
    changed = {"LastChangedDate": after["LastChangedDate"]}
    assert after == before | changed and after["LastChangedDate"] >= before["LastChangedDate"]
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == value
    assert secrets.get_resource_policy(SecretId=name)["ResourcePolicy"] == POLICY


def test_it_is_still_marked_after_a_crash(tmp_path, name, value):
    broker = brokers.dev(tmp_path / "data")

    def secrets():
        return client("secretsmanager", broker.variables["AWS_ENDPOINT_URL"], dev_key(broker))

    secrets().create_secret(Name=name, SecretString=value)
    deleted = secrets().delete_secret(SecretId=name, RecoveryWindowInDays=7)
    broker.kill()
    broker = brokers.dev(tmp_path / "data")
    with refused("InvalidRequestException", MARKED):
        secrets().get_secret_value(SecretId=name)
    assert deleted["DeletionDate"] - secrets().describe_secret(SecretId=name)["DeletedDate"] == datetime.timedelta(7)
    secrets().restore_secret(SecretId=name)
    assert secrets().get_secret_value(SecretId=name)["SecretString"] == value
    assert broker.stop() == 0
    assert find_canary(broker) == []


class TestMembersOfNewerModels:
    """Partners that hold secrets, and replicas in other accounts, cannot exist here: their members are refused."""

    def test_a_partner(self, secrets, name, value):
        text = Matching("The type Salesforce names a partner that manages external secrets, .+: leave Type out.")
        with refused("InvalidParameterException", text):
            secrets.create_secret(Name=name, SecretString=value, Type="Salesforce")
        secrets.create_secret(Name=name, SecretString=value, Type="")
        with refused("InvalidParameterException", text):
            secrets.update_secret(SecretId=name, SecretString=value + "2", Type="Salesforce")
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == value
        described = secrets.describe_secret(SecretId=name)
        for member in ("Type", "OwningService", "ExternalSecretRotationMetadata", "CrossAccountPrimary"):
            assert member not in described

    def test_a_primary_in_another_account(self, secrets, name, value):
        arn = f"arn:aws:secretsmanager:{REGION}:{accounts.OTHER}:secret:theirs-a1B2c3"
        with refused("InvalidParameterException", Matching("Sealdock does not replicate secrets .+ by a resource policy.")):
            secrets.create_secret(Name=name, KmsKeyId="alias/mine", CrossAccountPrimaryARN=arn)
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.describe_secret(SecretId=name)
