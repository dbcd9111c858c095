"""Keys of replicas: a request with one that cannot be used succeeds, and the replica fails for a reason that is told, as on AWS."""

import json

import pytest

import accounts
from accounts import arn, policy, statement
from broker import ACCOUNT, REGION
from conftest import client, dev_key, find_canary, make_key
from expect import NO_SECRET, body, refused
from functions import eventually
from test_rotation import metric

NEAR, FAR = "eu-west-1", "us-east-1"
DEFAULT_KEY = "alias/aws/secretsmanager"
ENCRYPT = (
    "Replication failed: Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS "
    "key is available, enabled, and not in an invalid state. "
)
DECRYPT = "Replication failed: Secrets Manager can't decrypt the protected secret text using the provided KMS key. "
DENIED = "Replication failed: Access to KMS is not allowed"


@pytest.fixture(scope="module")
def at(dev):
    endpoint, key = dev.variables["AWS_ENDPOINT_URL"], dev_key(dev)
    clients = {region: client("secretsmanager", endpoint, key, region=region) for region in (REGION, NEAR, FAR)}
    return clients.__getitem__


@pytest.fixture(scope="module")
def kms_at(dev):
    endpoint, key = dev.variables["AWS_ENDPOINT_URL"], dev_key(dev)
    clients = {region: client("kms", endpoint, key, region=region) for region in (REGION, NEAR, FAR)}
    return clients.__getitem__


def states(secrets, name):
    """Region -> (Status, StatusMessage), as `DescribeSecret` of the primary tells."""
    found = secrets.describe_secret(SecretId=name).get("ReplicationStatus", [])
    return {status["Region"]: (status["Status"], status.get("StatusMessage")) for status in found}


SYNCED = ("InSync", "Replication succeeded")


@pytest.mark.parametrize("how", ["with the secret", "later"])
def test_a_key_that_does_not_exist_fails_its_region_only(secrets, at, name, value, how):
    regions = [{"Region": NEAR, "KmsKeyId": "alias/nobody-made-it"}, {"Region": FAR}]
    if how == "later":
        secrets.create_secret(Name=name, SecretString=value)
        answer = secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=regions)
    else:
        answer = secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=regions)
    assert answer["ReplicationStatus"] == [
        {"Region": NEAR, "KmsKeyId": "alias/nobody-made-it", "Status": "InProgress"},
        {"Region": FAR, "KmsKeyId": DEFAULT_KEY, "Status": "InProgress"},
    ]
    missing = ENCRYPT + f"Alias arn:aws:kms:{NEAR}:{ACCOUNT}:alias/nobody-made-it is not found."
    assert states(secrets, name) == {NEAR: ("Failed", missing), FAR: SYNCED}
    with refused("ResourceNotFoundException", NO_SECRET):
        at(NEAR).describe_secret(SecretId=name)
    assert at(FAR).get_secret_value(SecretId=name)["SecretString"] == value
    # A change of the secret asks nobody for the key of the replica, so the replica waits for somebody who may use one.
    secrets.put_secret_value(SecretId=name, SecretString=value + "2")
    assert states(secrets, name) == {NEAR: ("Failed", missing), FAR: SYNCED}
    assert at(FAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"
    secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
    assert states(secrets, name) == {NEAR: SYNCED, FAR: SYNCED}
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"


def test_a_region_that_failed_can_be_removed_and_then_the_secret(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR, "KmsKeyId": "alias/nobody-made-it"}])
    arn = secrets.describe_secret(SecretId=name)["ARN"]
    with refused("InvalidParameterException", f"You can't delete secret {arn} that still has replica regions [{NEAR}]."):
        secrets.delete_secret(SecretId=name)
    answer = secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[NEAR])
    assert answer["ReplicationStatus"] == []
    secrets.delete_secret(SecretId=name)


def told(broker, arn):
    """The events about the replicas of a secret, oldest first: name, Region, reason."""
    lines = [line for path in sorted((broker.directory / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()]
    found = [record.get("event", record) for record in map(json.loads, lines)]
    data = [(e["eventName"], e["additionalEventData"]) for e in found if e.get("eventName", "").startswith("Replication")]
    return [(name, d["ReplicaRegion"], d.get("failure")) for name, d in data if d["SecretId"] == arn]


def test_what_becomes_of_a_replica_is_on_record(dev, secrets, at, kms_at, name, value):
    """Once for each change from one to the other, and not for each change of the secret."""
    count = lambda outcome: metric(dev, f'sealdock_replications_total{{outcome="{outcome}"}}')
    before = {outcome: count(outcome) for outcome in ("succeeded", "failed")}
    key = make_key(kms_at(NEAR))
    regions = [{"Region": NEAR, "KmsKeyId": key}, {"Region": FAR, "KmsKeyId": "alias/nobody-made-it"}]
    arn = secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=regions)["ARN"]
    missing = ENCRYPT + f"Alias arn:aws:kms:{FAR}:{ACCOUNT}:alias/nobody-made-it is not found."
    first = [("ReplicationSucceeded", NEAR, None), ("ReplicationFailed", FAR, missing)]
    eventually(lambda: told(dev, arn) == first)
    secrets.put_secret_value(SecretId=name, SecretString=value + "2")
    secrets.tag_resource(SecretId=name, Tags=[{"Key": "k", "Value": "v"}])
    kms_at(NEAR).disable_key(KeyId=key)
    secrets.put_secret_value(SecretId=name, SecretString=value + "3")
    second = [*first, ("ReplicationFailed", NEAR, ENCRYPT + f"{key} is disabled.")]
    eventually(lambda: told(dev, arn) == second)
    kms_at(NEAR).enable_key(KeyId=key)
    secrets.put_secret_value(SecretId=name, SecretString=value + "4")
    eventually(lambda: told(dev, arn) == [*second, ("ReplicationSucceeded", NEAR, None)])
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "4"
    assert count("failed") >= before["failed"] + 2 and count("succeeded") >= before["succeeded"] + 2


def test_a_replicas_key_that_is_disabled_meanwhile(secrets, at, kms_at, name, value):
    key = make_key(kms_at(NEAR))
    secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR, "KmsKeyId": key}])
    assert states(secrets, name) == {NEAR: SYNCED}
    kms_at(NEAR).disable_key(KeyId=key)
    secrets.put_secret_value(SecretId=name, SecretString=value + "2")
    assert states(secrets, name) == {NEAR: ("Failed", ENCRYPT + f"{key} is disabled.")}
    # What was replicated stays there.
    kms_at(NEAR).enable_key(KeyId=key)
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value
    secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR, "KmsKeyId": key}])
    assert states(secrets, name) == {NEAR: SYNCED}
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"


def test_a_labelled_version_whose_key_is_disabled(secrets, at, kms_at, name, value):
    """Also if the secret has another key by now. A version without labels does not matter."""
    old, new = make_key(kms_at(REGION)), make_key(kms_at(REGION))
    first = secrets.create_secret(Name=name, SecretString=value, KmsKeyId=old)["VersionId"]
    secrets.put_secret_value(SecretId=name, SecretString=value + "2", VersionStages=["AWSCURRENT", "kept"])
    kms_at(REGION).disable_key(KeyId=old)
    secrets.update_secret(SecretId=name, KmsKeyId=new, SecretString=value + "3")
    secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
    assert states(secrets, name) == {NEAR: ("Failed", DECRYPT + f"{old} is disabled.")}
    with refused("ResourceNotFoundException", NO_SECRET):
        at(NEAR).describe_secret(SecretId=name)
    stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    (second,) = [version for version, labels in stages.items() if "kept" in labels]
    secrets.update_secret_version_stage(SecretId=name, VersionStage="kept", RemoveFromVersionId=second)
    # It has AWSPREVIOUS still, and loses that to the next value.
    assert states(secrets, name)[NEAR][0] == "Failed"
    secrets.put_secret_value(SecretId=name, SecretString=value + "4")
    assert states(secrets, name) == {NEAR: SYNCED}
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "4"
    assert not {first, second} & set(at(NEAR).describe_secret(SecretId=name)["VersionIdsToStages"])


@pytest.fixture(scope="module")
def as_user(tmp_path_factory):
    vault = accounts.served(tmp_path_factory.mktemp("keys") / "data")
    keys = {user: accounts.access_key(vault, arn(user)) for user in ("owner", "plain")}

    def connect(service, user, region=REGION):
        return client(service, vault.tls, keys[user], verify=vault.ca, region=region)

    yield connect
    assert vault.stop() == 0
    assert find_canary(vault) == []


def test_whoever_may_not_use_a_replicas_key_gets_a_failed_replica(as_user, name, value):
    owner, keys = as_user("secretsmanager", "owner"), as_user("kms", "owner", NEAR)
    key = keys.create_key(Policy=json.dumps(only_owner()))["KeyMetadata"]["Arn"]
    text = policy(statement("Allow", {"AWS": arn("plain")}, ["secretsmanager:ReplicateSecretToRegions", "secretsmanager:DescribeSecret"]))
    made = owner.create_secret(Name=name, SecretString=value)
    owner.put_resource_policy(SecretId=name, ResourcePolicy=text)
    plain = as_user("secretsmanager", "plain")
    plain.replicate_secret_to_regions(SecretId=made["ARN"], AddReplicaRegions=[{"Region": NEAR, "KmsKeyId": key}])
    assert states(plain, made["ARN"]) == {NEAR: ("Failed", DENIED)}
    # Neither does the owner's next change make it.
    owner.put_secret_value(SecretId=name, SecretString=value + "2")
    assert states(owner, name) == {NEAR: ("Failed", DENIED)}
    with refused("ResourceNotFoundException", NO_SECRET):
        as_user("secretsmanager", "owner", NEAR).describe_secret(SecretId=name)
    owner.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR, "KmsKeyId": key}])
    assert states(owner, name) == {NEAR: SYNCED}


def test_whoever_may_not_decrypt_the_primary_replicates_nothing(as_user, name, value):
    owner, keys = as_user("secretsmanager", "owner"), as_user("kms", "owner")
    key = keys.create_key(Policy=json.dumps(only_owner()))["KeyMetadata"]["Arn"]
    made = owner.create_secret(Name=name, SecretString=value, KmsKeyId=key)
    text = policy(statement("Allow", {"AWS": arn("plain")}, ["secretsmanager:ReplicateSecretToRegions"]))
    owner.put_resource_policy(SecretId=name, ResourcePolicy=text)
    plain = as_user("secretsmanager", "plain")
    answer = plain.replicate_secret_to_regions(SecretId=made["ARN"], AddReplicaRegions=[{"Region": NEAR}, {"Region": FAR}])
    assert {status["Status"] for status in body(answer)["ReplicationStatus"]} == {"InProgress"}
    owner.tag_resource(SecretId=name, Tags=[{"Key": "k", "Value": "v"}])
    assert states(owner, name) == {NEAR: ("Failed", DENIED), FAR: ("Failed", DENIED)}
    for region in (NEAR, FAR):
        with refused("ResourceNotFoundException", NO_SECRET):
            as_user("secretsmanager", "owner", region).describe_secret(SecretId=name)


def only_owner():
    """A key policy that leaves nothing to identity policies."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": arn("owner")}, "Action": "kms:*", "Resource": "*"}]}
