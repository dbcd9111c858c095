"""Replicas in other Regions: made, kept in sync, refusing writes, removed, promoted."""

import json

import pytest

import accounts
import broker as brokers
from accounts import arn, policy, statement
from broker import ACCOUNT, REGION
from conftest import CANARY, client, dev_key, find_canary, make_key
from expect import NO_SECRET, RECENTLY, TODAY, UUID, Matching, body, refused, secret_arn

NEAR, FAR, OTHER = "eu-west-1", "us-east-1", "ap-south-1"
DEFAULT_KEY = "alias/aws/secretsmanager"
REPLICA = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
PRIMARY = "Operation not permitted on a primary secret. Call must be made in replica secret's region."
INVALID_REGION = "Invalid replica region."


def in_sync(region, key=DEFAULT_KEY, **more):
    return {"Region": region, "KmsKeyId": key, "Status": "InSync", "StatusMessage": "Replication succeeded"} | more


def in_progress(region, key=DEFAULT_KEY, **more):
    return {"Region": region, "KmsKeyId": key, "Status": "InProgress"} | more


def statuses(secrets, name):
    """How the replicas stand, as a client finds out that polls until none is in progress."""
    return secrets.describe_secret(SecretId=name)["ReplicationStatus"]


def taken(name, region):
    message = f"Replication failed: Secret name {name} already exists in region {region}."
    return {"Region": region, "KmsKeyId": DEFAULT_KEY, "Status": "Failed", "StatusMessage": message}


def elsewhere(text, region):
    """The same ARN in another Region."""
    return text.replace(f":{REGION}:", f":{region}:")


@pytest.fixture(scope="module")
def at(dev):
    """A client for a Region."""
    endpoint, key = dev.variables["AWS_ENDPOINT_URL"], dev_key(dev)
    clients = {region: client("secretsmanager", endpoint, key, region=region) for region in (REGION, NEAR, FAR)}
    return clients.__getitem__


@pytest.fixture(scope="module")
def keys(dev):
    """Keys for `REGION`, `NEAR` and `FAR` under the aliases alias/primary, alias/near and alias/far."""
    endpoint, key = dev.variables["AWS_ENDPOINT_URL"], dev_key(dev)
    for region, alias in ((REGION, "alias/primary"), (NEAR, "alias/near"), (FAR, "alias/far")):
        make_key(client("kms", endpoint, key, region=region), alias)


@pytest.fixture
def replicated(secrets, name, value):
    """The ARN of a secret with a replica in `NEAR`."""
    return secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}])["ARN"]


class TestMaking:
    def test_with_the_secret(self, secrets, at, keys, name, value):
        answer = body(
            secrets.create_secret(
                Name=name,
                SecretString=value,
                Description="d",
                Tags=[{"Key": "k", "Value": "v"}],
                AddReplicaRegions=[{"Region": NEAR}, {"Region": FAR, "KmsKeyId": "alias/far"}],
            )
        )
        began = [in_progress(NEAR), in_progress(FAR, "alias/far")]
        assert answer == {"ARN": secret_arn(name), "Name": name, "VersionId": UUID, "ReplicationStatus": began}
        primary = body(secrets.describe_secret(SecretId=name))
        assert primary == {
            "ARN": answer["ARN"],
            "Name": name,
            "Description": "d",
            "LastChangedDate": RECENTLY,
            "Tags": [{"Key": "k", "Value": "v"}],
            "VersionIdsToStages": {answer["VersionId"]: ["AWSCURRENT"]},
            "CreatedDate": RECENTLY,
            "PrimaryRegion": REGION,
            "ReplicationStatus": [in_sync(NEAR), in_sync(FAR, "alias/far")],
        }
        near, far = (body(at(region).describe_secret(SecretId=name)) for region in (NEAR, FAR))
        assert near == primary | {"ARN": elsewhere(answer["ARN"], NEAR)}
        assert far == primary | {"ARN": elsewhere(answer["ARN"], FAR), "KmsKeyId": "alias/far"}
        for region in (REGION, NEAR, FAR):
            read = body(at(region).get_secret_value(SecretId=elsewhere(answer["ARN"], region)))
            assert read == {
                "ARN": elsewhere(answer["ARN"], region),
                "Name": name,
                "VersionId": answer["VersionId"],
                "SecretString": value,
                "VersionStages": ["AWSCURRENT"],
                "CreatedDate": RECENTLY,
            }

    def test_of_a_secret_that_exists(self, secrets, at, name, value):
        arn = secrets.create_secret(Name=name, SecretBinary=value.encode())["ARN"]
        assert "PrimaryRegion" not in secrets.describe_secret(SecretId=name)
        answer = secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
        assert body(answer) == {"ARN": arn, "ReplicationStatus": [in_progress(NEAR)]}
        answer = secrets.replicate_secret_to_regions(SecretId=arn, AddReplicaRegions=[{"Region": FAR}])
        assert body(answer) == {"ARN": arn, "ReplicationStatus": [in_sync(NEAR), in_progress(FAR)]}
        assert statuses(secrets, name) == [in_sync(NEAR), in_sync(FAR)]
        assert at(FAR).get_secret_value(SecretId=name)["SecretBinary"] == value.encode()

    def test_without_a_value(self, secrets, at, name, value):
        secrets.create_secret(Name=name, AddReplicaRegions=[{"Region": NEAR}])
        assert "VersionIdsToStages" not in at(NEAR).describe_secret(SecretId=name)
        secrets.put_secret_value(SecretId=name, SecretString=value)
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value

    @pytest.mark.parametrize("regions", [[REGION], [NEAR, NEAR], ["cn-north-1"], ["us-gov-west-1"]])
    def test_regions_that_are_refused(self, secrets, at, name, value, regions):
        wanted = [{"Region": region} for region in regions]
        with refused("InvalidParameterException", INVALID_REGION):
            secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=wanted)
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.describe_secret(SecretId=name)
        secrets.create_secret(Name=name, SecretString=value)
        with refused("InvalidParameterException", INVALID_REGION):
            secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=wanted)
        assert "ReplicationStatus" not in secrets.describe_secret(SecretId=name)

    def test_a_repeated_creation(self, secrets, name, value):
        token = "0123456789abcdef0123456789abcdef"
        made = [
            body(
                secrets.create_secret(
                    Name=name, SecretString=value, ClientRequestToken=token, AddReplicaRegions=[{"Region": NEAR}]
                )
            )
            for _ in range(2)
        ]
        assert made[0] == made[1]

    def test_no_secret(self, secrets, name):
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[NEAR])
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.stop_replication_to_replica(SecretId=name)


class TestNamesThatAreTaken:
    def test_it_fails_and_leaves_the_other_alone(self, secrets, at, name, value):
        there = at(NEAR).create_secret(Name=name, SecretString=value + "there")["ARN"]
        made = secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}, {"Region": FAR}])
        assert made["ReplicationStatus"] == [in_progress(NEAR), in_progress(FAR)]
        assert secrets.describe_secret(SecretId=name)["ReplicationStatus"] == [taken(name, NEAR), in_sync(FAR)]
        read = at(NEAR).get_secret_value(SecretId=name)
        assert (read["ARN"], read["SecretString"]) == (there, value + "there")
        # Neither does a later change get through, ...
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "there"
        assert at(FAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"
        # ... nor trying again without force.
        again = secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
        assert again["ReplicationStatus"] == [in_progress(NEAR), in_sync(FAR, LastAccessedDate=TODAY)]
        assert statuses(secrets, name) == [taken(name, NEAR), in_sync(FAR, LastAccessedDate=TODAY)]

    def test_by_force(self, secrets, at, name, value):
        there = at(NEAR).create_secret(Name=name, SecretString=value + "there")["ARN"]
        arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
        answer = secrets.replicate_secret_to_regions(
            SecretId=name, AddReplicaRegions=[{"Region": NEAR}], ForceOverwriteReplicaSecret=True
        )
        assert answer["ReplicationStatus"] == [in_progress(NEAR)]
        assert statuses(secrets, name) == [in_sync(NEAR)]
        read = at(NEAR).get_secret_value(SecretId=name)
        assert (read["ARN"], read["SecretString"]) == (elsewhere(arn, NEAR), value)
        with refused("ResourceNotFoundException", NO_SECRET):
            at(NEAR).get_secret_value(SecretId=there)

    def test_by_force_with_the_secret(self, secrets, at, name, value):
        at(NEAR).create_secret(Name=name, SecretString=value + "there")
        at(NEAR).delete_secret(SecretId=name)
        secrets.create_secret(
            Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}], ForceOverwriteReplicaSecret=True
        )
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value

    def test_a_replica_and_a_primary_are_not_overwritten(self, secrets, at, name, replicated, value):
        # Another primary in FAR wants the Regions where the first one and its replica are.
        at(FAR).create_secret(
            Name=name,
            SecretString=value + "far",
            AddReplicaRegions=[{"Region": NEAR}, {"Region": REGION}],
            ForceOverwriteReplicaSecret=True,
        )
        message = "Replication failed: Secret name {} is currently replicated to {} with a different arn."
        found = [(s["Region"], s["Status"], s["StatusMessage"]) for s in statuses(at(FAR), name)]
        assert found == [(region, "Failed", message.format(name, region)) for region in (NEAR, REGION)]
        for region in (REGION, NEAR):
            assert at(region).get_secret_value(SecretId=name)["SecretString"] == value

    def test_a_replica_takes_its_name(self, at, name, replicated, value):
        with refused("ResourceExistsException", f"The operation failed because the secret {name} already exists."):
            at(NEAR).create_secret(Name=name, SecretString=value)


class TestInSync:
    def test_versions_and_stages(self, secrets, at, name, replicated, value):
        for n in range(3):
            secrets.put_secret_value(SecretId=name, SecretString=f"{value}{n}")
        secrets.put_secret_value(SecretId=name, SecretString=value + "p", VersionStages=["AWSPENDING", "mine"])
        stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
        assert at(NEAR).describe_secret(SecretId=name)["VersionIdsToStages"] == stages
        for stage in ("AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "mine"):
            read = [at(r).get_secret_value(SecretId=name, VersionStage=stage) for r in (REGION, NEAR)]
            assert read[0]["SecretString"] == read[1]["SecretString"]
            assert read[0]["VersionId"] == read[1]["VersionId"]
            assert read[0]["CreatedDate"] == read[1]["CreatedDate"]
        pending = next(version for version, of in stages.items() if "mine" in of)
        current = next(version for version, of in stages.items() if "AWSCURRENT" in of)
        secrets.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=pending, RemoveFromVersionId=current
        )
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "p"
        lists = [
            at(r).list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"] for r in (REGION, NEAR)
        ]
        assert [v["VersionId"] for v in lists[0]] == [v["VersionId"] for v in lists[1]]

    def test_metadata(self, secrets, at, name, replicated):
        secrets.update_secret(SecretId=name, Description="changed")
        secrets.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        secrets.untag_resource(SecretId=name, TagKeys=["a"])
        text = policy(statement("Allow", {"AWS": "999988887777"}))
        secrets.put_resource_policy(SecretId=name, ResourcePolicy=text)
        primary, replica = (body(at(r).describe_secret(SecretId=name)) for r in (REGION, NEAR))
        assert replica == primary | {"ARN": elsewhere(replicated, NEAR)}
        assert (replica["Description"], replica["Tags"]) == ("changed", [{"Key": "b", "Value": "2"}])
        assert at(NEAR).get_resource_policy(SecretId=name)["ResourcePolicy"] == text
        secrets.delete_resource_policy(SecretId=name)
        assert "ResourcePolicy" not in at(NEAR).get_resource_policy(SecretId=name)

    def test_reads_are_counted_where_they_are(self, secrets, at, name, replicated):
        at(NEAR).get_secret_value(SecretId=name)
        described = secrets.describe_secret(SecretId=name)
        assert "LastAccessedDate" not in described
        assert described["ReplicationStatus"] == [in_sync(NEAR, LastAccessedDate=TODAY)]
        assert at(NEAR).describe_secret(SecretId=name)["LastAccessedDate"] == TODAY

    def test_a_replica_has_its_own_key(self, secrets, at, keys, name, replicated, value):
        secrets.update_secret(SecretId=name, KmsKeyId="alias/primary")
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert "KmsKeyId" not in at(NEAR).describe_secret(SecretId=name)
        answer = at(NEAR).update_secret(SecretId=name, KmsKeyId="alias/near")
        assert body(answer) == {"ARN": elsewhere(replicated, NEAR), "Name": name}
        assert at(NEAR).describe_secret(SecretId=name)["KmsKeyId"] == "alias/near"
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"
        assert secrets.describe_secret(SecretId=name)["ReplicationStatus"] == [
            in_sync(NEAR, "alias/near", LastAccessedDate=TODAY)
        ]
        versions = at(NEAR).list_secret_version_ids(SecretId=name)["Versions"]
        assert {key for version in versions for key in version["KmsKeyIds"]} == {"alias/near"}
        at(NEAR).update_secret(SecretId=name, KmsKeyId="")
        assert "KmsKeyId" not in at(NEAR).describe_secret(SecretId=name)
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"


class TestReadOnly:
    @pytest.mark.parametrize(
        "call, more",
        [
            ("put_secret_value", {"SecretString": CANARY}),
            ("update_secret", {"SecretString": CANARY}),
            ("update_secret", {"Description": "d"}),
            ("update_secret", {"Description": "d", "KmsKeyId": "alias/x"}),
            ("tag_resource", {"Tags": [{"Key": "k", "Value": "v"}]}),
            ("untag_resource", {"TagKeys": ["k"]}),
            ("put_resource_policy", {"ResourcePolicy": "{}"}),
            ("delete_resource_policy", {}),
            ("validate_resource_policy", {"ResourcePolicy": "{}"}),
            ("delete_secret", {}),
            ("delete_secret", {"ForceDeleteWithoutRecovery": True}),
            ("restore_secret", {}),
            ("rotate_secret", {}),
            ("cancel_rotate_secret", {}),
            ("replicate_secret_to_regions", {"AddReplicaRegions": [{"Region": FAR}]}),
            ("remove_regions_from_replication", {"RemoveReplicaRegions": [FAR]}),
            ("update_secret_version_stage", {"VersionStage": "mine"}),
        ],
    )
    def test_writes_are_refused(self, secrets, at, name, replicated, value, call, more):
        before = body(at(NEAR).describe_secret(SecretId=name))
        with refused("InvalidParameterException", REPLICA):
            getattr(at(NEAR), call)(SecretId=name, **more)
        assert body(at(NEAR).describe_secret(SecretId=name)) == before
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == value

    def test_reads_are_not(self, at, name, replicated, value):
        near = at(NEAR)
        assert near.get_secret_value(SecretId=name)["SecretString"] == value
        (found,) = near.batch_get_secret_value(SecretIdList=[name])["SecretValues"]
        assert found["SecretString"] == value
        assert body(near.get_resource_policy(SecretId=name)) == {"ARN": elsewhere(replicated, NEAR), "Name": name}


class TestLists:
    def test_the_primary_region_is_a_filter(self, secrets, at, name, replicated, value):
        secrets.create_secret(Name=name + "-single", SecretString=value)
        mine = {"Key": "name", "Values": [name]}

        def listed(region, *filters):
            entries = at(region).list_secrets(Filters=[mine, *filters])["SecretList"]
            return [(entry["ARN"], entry.get("PrimaryRegion")) for entry in entries]

        near, single = elsewhere(replicated, NEAR), secret_arn(name + "-single")
        assert listed(REGION) == [(replicated, REGION), (single, None)]
        assert listed(NEAR) == [(near, REGION)]
        for region, expected in ((REGION, [(replicated, REGION)]), (NEAR, [(near, REGION)])):
            assert listed(region, {"Key": "primary-region", "Values": [REGION]}) == expected
            assert listed(region, {"Key": "primary-region", "Values": ["eu-central"]}) == expected
            assert listed(region, {"Key": "primary-region", "Values": [NEAR]}) == []
        assert listed(REGION, {"Key": "primary-region", "Values": ["!" + REGION]}) == [(single, None)]
        assert listed(REGION, {"Key": "owning-service", "Values": ["rds"]}) == []
        (entry,) = at(NEAR).list_secrets(Filters=[mine])["SecretList"]
        assert "ReplicationStatus" not in entry


class TestRemoving:
    def test_it_deletes_the_replica(self, secrets, at, name, replicated, value):
        secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": FAR}])
        answer = secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[NEAR, OTHER])
        assert body(answer) == {"ARN": replicated, "ReplicationStatus": [in_sync(FAR)]}
        with refused("ResourceNotFoundException", NO_SECRET):
            at(NEAR).describe_secret(SecretId=name)
        answer = secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[FAR])
        assert body(answer) == {"ARN": replicated, "ReplicationStatus": []}
        assert "PrimaryRegion" not in secrets.describe_secret(SecretId=name)
        # The name is free there again, and so is the Region.
        at(NEAR).create_secret(Name=name, SecretString=value + "new")
        assert secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": FAR}])[
            "ReplicationStatus"
        ] == [in_progress(FAR)]
        assert statuses(secrets, name) == [in_sync(FAR)]

    def test_a_secret_that_was_in_the_way_stays(self, secrets, at, name, value):
        at(NEAR).create_secret(Name=name, SecretString=value + "there")
        secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}])
        secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[NEAR])
        assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "there"
        assert "ReplicationStatus" not in secrets.describe_secret(SecretId=name)

    @pytest.mark.parametrize("how", [{}, {"RecoveryWindowInDays": 7}, {"ForceDeleteWithoutRecovery": True}])
    def test_a_primary_outlives_its_replicas(self, secrets, name, replicated, how):
        secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": FAR}])
        text = f"You can't delete secret {replicated} that still has replica regions [{NEAR}, {FAR}]."
        with refused("InvalidParameterException", text):
            secrets.delete_secret(SecretId=name, **how)
        secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[NEAR, FAR])
        secrets.delete_secret(SecretId=name, **how)

    def test_a_secret_that_is_marked_for_deletion_gets_none(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        secrets.delete_secret(SecretId=name)
        marked = "You can't perform this operation on the secret because it was marked for deletion."
        with refused("InvalidRequestException", marked):
            secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
        with refused("InvalidRequestException", marked):
            secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=[NEAR])


class TestPromoting:
    def test_it_stands_alone(self, secrets, at, name, replicated, value):
        near = at(NEAR)
        answer = near.stop_replication_to_replica(SecretId=name)
        assert body(answer) == {"ARN": elsewhere(replicated, NEAR)}
        for region in (REGION, NEAR):
            described = at(region).describe_secret(SecretId=name)
            assert "PrimaryRegion" not in described and "ReplicationStatus" not in described
        near.put_secret_value(SecretId=name, SecretString=value + "near")
        secrets.put_secret_value(SecretId=name, SecretString=value + "far")
        assert near.get_secret_value(SecretId=name)["SecretString"] == value + "near"
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == value + "far"
        assert near.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"] == value
        # It can have replicas of its own, and the old primary's Regions are taken.
        assert near.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": FAR}])[
            "ReplicationStatus"
        ] == [in_progress(FAR)]
        secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": NEAR}])
        assert statuses(secrets, name) == [taken(name, NEAR)]

    def test_only_a_replica(self, secrets, name, replicated):
        with refused("InvalidParameterException", PRIMARY):
            secrets.stop_replication_to_replica(SecretId=name)


class TestPermissions:
    def test_each_operation_has_its_own(self, tmp_path, name, value):
        vault = accounts.served(tmp_path / "data")
        owner, plain = (
            client("secretsmanager", vault.tls, accounts.access_key(vault, arn(user)), verify=vault.ca)
            for user in ("owner", "plain")
        )
        made = owner.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}])
        for call, more in (
            ("replicate_secret_to_regions", {"AddReplicaRegions": [{"Region": FAR}]}),
            ("remove_regions_from_replication", {"RemoveReplicaRegions": [NEAR]}),
            ("stop_replication_to_replica", {}),
        ):
            operation = "".join(part.capitalize() for part in call.split("_"))
            with refused(
                "AccessDeniedException",
                f"User: {arn('plain')} is not authorized to perform: secretsmanager:{operation} on resource: "
                f"{made['ARN']} because no identity-based policy allows the secretsmanager:{operation} action",
            ):
                getattr(plain, call)(SecretId=made["ARN"], **more)
        # To create a secret with replicas takes both permissions.
        text = policy(statement("Allow", {"AWS": arn("plain")}, ["secretsmanager:RemoveRegionsFromReplication"]))
        owner.put_resource_policy(SecretId=name, ResourcePolicy=text)
        assert plain.remove_regions_from_replication(SecretId=made["ARN"], RemoveReplicaRegions=[NEAR])["ARN"] == made["ARN"]
        search = brokers.sealdock(
            "audit", "search", "--data", vault.directory, "--event", "RemoveRegionsFromReplication", "--json"
        )
        events = [json.loads(line) for line in search.stdout.splitlines()]
        done = [event for event in events if "errorCode" not in event]
        assert done[-1]["requestParameters"] == {"secretId": made["ARN"], "removeReplicaRegions": [NEAR]}
        assert vault.stop() == 0
        assert find_canary(vault) == []


def test_replicas_survive_a_crash(tmp_path, name, value):
    broker = brokers.dev(tmp_path / "data")

    def at(region):
        return client("secretsmanager", broker.variables["AWS_ENDPOINT_URL"], dev_key(broker), region=region)

    at(REGION).create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}])
    broker.kill()
    broker = brokers.dev(tmp_path / "data")
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value
    assert at(REGION).describe_secret(SecretId=name)["ReplicationStatus"] == [in_sync(NEAR, LastAccessedDate=TODAY)]
    at(REGION).put_secret_value(SecretId=name, SecretString=value + "2")
    assert at(NEAR).get_secret_value(SecretId=name)["SecretString"] == value + "2"
    assert broker.stop() == 0
    assert find_canary(broker) == []
