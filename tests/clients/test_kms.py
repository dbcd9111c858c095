"""KMS through boto3: keys, their states, tags, rotation and deletion. Whole answers, and AWS's words for refusals."""

import uuid

import pytest

import broker as brokers
from broker import ACCOUNT, REGION
from conftest import client, dev_key, make_key
from expect import RECENTLY, UUID, InDays, Matching, body, constraint, refused

MATERIAL = Matching("[0-9a-f]{64}")
NO_ID = "00000000-0000-0000-0000-000000000000"
NO_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{NO_ID}"

OWN = "alias/aws/secretsmanager"

# The operations that take a key id and nothing else that is needed.
ON_A_KEY = {
    "cancel_key_deletion": {},
    "describe_key": {},
    "disable_key": {},
    "disable_key_rotation": {},
    "enable_key": {},
    "enable_key_rotation": {},
    "get_key_policy": {},
    "get_key_rotation_status": {},
    "list_key_policies": {},
    "list_key_rotations": {},
    "list_resource_tags": {},
    "put_key_policy": {"Policy": "{}"},
    "rotate_key_on_demand": {},
    "schedule_key_deletion": {},
    "tag_resource": {"Tags": []},
    "untag_resource": {"TagKeys": []},
    "update_key_description": {"Description": ""},
}


def metadata(arn, **more):
    """What DescribeKey says of a customer key."""
    return {
        "AWSAccountId": ACCOUNT,
        "KeyId": arn.rsplit("/", 1)[1],
        "Arn": arn,
        "CreationDate": RECENTLY,
        "Enabled": True,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
        "CurrentKeyMaterialId": MATERIAL,
    } | more


def described(kms, key):
    return kms.describe_key(KeyId=key)["KeyMetadata"]


@pytest.fixture
def key(kms):
    return make_key(kms)


@pytest.fixture
def pending(kms, key):
    kms.schedule_key_deletion(KeyId=key)
    return key


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A broker of its own, so that its keys are all there are."""
    broker = brokers.dev(tmp_path_factory.mktemp("kms") / "data")
    yield client("kms", broker.variables["AWS_ENDPOINT_URL"], dev_key(broker))
    assert broker.stop() == 0


@pytest.fixture(scope="module")
def own(secrets, kms):
    """The ARN of Secrets Manager's own key, which is there once it was used."""
    secrets.create_secret(Name=f"own/{uuid.uuid4().hex}", SecretString="canary-8f1d")
    return described(kms, OWN)["Arn"]


class TestCreating:
    def test_with_nothing_said(self, kms):
        made = body(kms.create_key())
        arn = made["KeyMetadata"]["Arn"]
        assert arn == Matching(rf"arn:aws:kms:{REGION}:{ACCOUNT}:key/{UUID.pattern.pattern}")
        assert made == {"KeyMetadata": metadata(arn)}
        assert body(kms.describe_key(KeyId=arn)) == made

    def test_with_everything(self, kms):
        made = kms.create_key(
            Description="für alles", KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT", Origin="AWS_KMS",
            MultiRegion=False, BypassPolicyLockoutSafetyCheck=True, Tags=[{"TagKey": "a", "TagValue": ""}],
        )["KeyMetadata"]  # fmt: skip
        assert made == metadata(made["Arn"], Description="für alles")
        tags = kms.list_resource_tags(KeyId=made["Arn"])
        assert body(tags) == {"Tags": [{"TagKey": "a", "TagValue": ""}], "Truncated": False}

    @pytest.mark.parametrize(
        "asked, named",
        [
            ({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, "KeyUsage SIGN_VERIFY, KeySpec RSA_2048"),
            ({"CustomerMasterKeySpec": "HMAC_256"}, "CustomerMasterKeySpec HMAC_256"),
            ({"Origin": "EXTERNAL"}, "Origin EXTERNAL"),
            ({"MultiRegion": True}, "MultiRegion true"),
            ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreId cks-1"),
        ],
    )
    def test_other_kinds_of_keys_are_refused_by_name(self, kms, asked, named):
        text = f"Keys are symmetric, for encryption, and their material is made here: {named} is not supported."
        with refused("UnsupportedOperationException", text):
            kms.create_key(**asked)

    def test_tags_that_break_a_rule(self, kms):
        tag = {"TagKey": "k", "TagValue": "v"}
        with refused("TagException", "Duplicate tag key: k"):
            kms.create_key(Tags=[tag, tag])
        for name in ("aws:k", "AWS:k"):
            with refused("TagException", "Tags beginning with aws: are reserved"):
                kms.create_key(Tags=[{"TagKey": name, "TagValue": "v"}])
        with refused("LimitExceededException", "A key can have at most 50 tags."):
            kms.create_key(Tags=[{"TagKey": str(number), "TagValue": ""} for number in range(51)])


class TestNaming:
    def test_by_id_arn_alias_and_the_alias_arn(self, kms):
        alias = f"alias/naming/{uuid.uuid4().hex}"
        arn = make_key(kms, alias)
        for text in (arn, arn.rsplit("/", 1)[1], alias, f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"):
            assert described(kms, text) == metadata(arn)

    @pytest.mark.parametrize(
        "text, code, message",
        [
            (NO_ID, "NotFoundException", f"Key '{NO_KEY}' does not exist"),
            (NO_KEY, "NotFoundException", f"Key '{NO_KEY}' does not exist"),
            ("nothing", "NotFoundException", "Invalid keyId 'nothing'"),
            ("134f2428cec14b25a1ae9048164dba47", "NotFoundException", "Invalid keyId '134f2428cec14b25a1ae9048164dba47'"),
            ("alias/nothing", "NotFoundException", f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/nothing is not found."),
            (NO_KEY.replace(REGION, "us-west-2"), "NotFoundException", "Invalid arn us-west-2"),
            ("arn:aws:iam::123456789012:key/x", "InvalidArnException", "Invalid arn arn:aws:iam::123456789012:key/x"),
            ("arn:aws:kms", "InvalidArnException", "Invalid arn arn:aws:kms"),
        ],
    )
    def test_what_names_no_key(self, kms, text, code, message):
        with refused(code, message):
            kms.describe_key(KeyId=text)

    def test_a_key_of_another_region(self, dev, kms, key):
        elsewhere = client("kms", dev.variables["AWS_ENDPOINT_URL"], dev_key(dev), region="ap-southeast-1")
        with refused("NotFoundException", f"Invalid arn {REGION}"):
            elsewhere.describe_key(KeyId=key)
        there = key.replace(REGION, "ap-southeast-1")
        with refused("NotFoundException", f"Key '{there}' does not exist"):
            elsewhere.describe_key(KeyId=key.rsplit("/", 1)[1])

    @pytest.mark.parametrize("operation", ON_A_KEY)
    def test_every_operation_says_that_there_is_no_such_key(self, kms, operation):
        with refused("NotFoundException", f"Key '{NO_KEY}' does not exist"):
            getattr(kms, operation)(KeyId=NO_ID, **ON_A_KEY[operation])

    @pytest.mark.parametrize("operation", [name for name in ON_A_KEY if name != "describe_key"])
    def test_what_changes_or_shows_a_key_takes_no_alias(self, kms, operation):
        """Documented for each: "Specify the key ID or key ARN of the KMS key"."""
        alias = f"alias/named/{uuid.uuid4().hex}"
        arn = make_key(kms, alias)
        with refused("NotFoundException", f"Invalid keyId '{alias}'"):
            getattr(kms, operation)(KeyId=alias, **ON_A_KEY[operation])
        assert described(kms, arn)["KeyState"] == "Enabled"


class TestStates:
    def test_disabled_and_enabled(self, kms, key):
        for _ in range(2):
            assert body(kms.disable_key(KeyId=key)) == {}
            assert described(kms, key) == metadata(key, Enabled=False, KeyState="Disabled")
        for _ in range(2):
            assert body(kms.enable_key(KeyId=key)) == {}
            assert described(kms, key) == metadata(key)

    @pytest.mark.parametrize("days", [None, 7, 30])
    def test_scheduled_and_cancelled(self, kms, key, days):
        asked = {} if days is None else {"PendingWindowInDays": days}
        scheduled = body(kms.schedule_key_deletion(KeyId=key.rsplit("/", 1)[1], **asked))
        due = InDays(days or 30)
        assert scheduled == {
            "KeyId": key, "DeletionDate": due, "KeyState": "PendingDeletion", "PendingWindowInDays": days or 30,
        }  # fmt: skip
        state = {"Enabled": False, "KeyState": "PendingDeletion", "DeletionDate": due}
        assert described(kms, key) == metadata(key, **state)
        assert body(kms.cancel_key_deletion(KeyId=key)) == {"KeyId": key}
        assert described(kms, key) == metadata(key, Enabled=False, KeyState="Disabled")

    @pytest.mark.parametrize("days", [1, 6, 31, 365])
    def test_waiting_periods_that_are_refused(self, kms, key, days):
        with refused("ValidationException", "PendingWindowInDays must be between 7 and 30 (inclusive)."):
            kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)
        assert described(kms, key)["KeyState"] == "Enabled"

    @pytest.mark.parametrize(
        "operation",
        [
            "disable_key", "disable_key_rotation", "enable_key", "enable_key_rotation", "rotate_key_on_demand",
            "schedule_key_deletion", "tag_resource", "untag_resource", "update_key_description",
        ],
    )  # fmt: skip
    def test_refused_while_deletion_is_pending(self, kms, pending, operation):
        with refused("KMSInvalidStateException", f"{pending} is pending deletion."):
            getattr(kms, operation)(KeyId=pending, **ON_A_KEY[operation])

    def test_served_while_deletion_is_pending(self, kms, pending):
        policy = kms.get_key_policy(KeyId=pending)["Policy"]
        assert body(kms.put_key_policy(KeyId=pending, Policy=policy)) == {}
        assert body(kms.list_key_policies(KeyId=pending)) == {"PolicyNames": ["default"], "Truncated": False}
        assert body(kms.list_resource_tags(KeyId=pending)) == {"Tags": [], "Truncated": False}
        assert body(kms.list_key_rotations(KeyId=pending)) == {"Rotations": [], "Truncated": False}

    @pytest.mark.parametrize("operation", ["disable_key_rotation", "enable_key_rotation", "rotate_key_on_demand"])
    def test_refused_while_disabled(self, kms, key, operation):
        kms.disable_key(KeyId=key)
        with refused("DisabledException", f"{key} is disabled."):
            getattr(kms, operation)(KeyId=key)

    def test_there_is_nothing_to_cancel(self, kms, key):
        for _ in range(2):
            with refused("KMSInvalidStateException", f"{key} is not pending deletion."):
                kms.cancel_key_deletion(KeyId=key)
            kms.disable_key(KeyId=key)

    def test_a_description(self, kms, key):
        for text in ("d" * 8192, ""):
            assert body(kms.update_key_description(KeyId=key, Description=text)) == {}
            assert described(kms, key) == metadata(key, Description=text)


class TestTags:
    def test_added_replaced_and_removed(self, kms, key):
        assert body(kms.tag_resource(KeyId=key, Tags=[{"TagKey": "b", "TagValue": "1"}])) == {}
        kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": "3"}])
        a, b = {"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": "3"}
        assert body(kms.list_resource_tags(KeyId=key)) == {"Tags": [a, b], "Truncated": False}
        assert body(kms.untag_resource(KeyId=key, TagKeys=["a", "never"])) == {}
        assert kms.list_resource_tags(KeyId=key)["Tags"] == [b]

    def test_pages(self, kms, key):
        tags = [{"TagKey": f"{number:02}", "TagValue": ""} for number in range(50)]
        kms.tag_resource(KeyId=key, Tags=tags)
        pages = list(kms.get_paginator("list_resource_tags").paginate(KeyId=key, PaginationConfig={"PageSize": 20}))
        assert [len(page["Tags"]) for page in pages] == [20, 20, 10]
        assert [page["Truncated"] for page in pages] == [True, True, False]
        assert [tag for page in pages for tag in page["Tags"]] == tags

    def test_what_breaks_a_rule_changes_nothing(self, kms, key):
        kms.tag_resource(KeyId=key, Tags=[{"TagKey": str(number), "TagValue": ""} for number in range(50)])
        with refused("LimitExceededException", f"{key} cannot have more than 50 tags"):
            kms.tag_resource(KeyId=key, Tags=[{"TagKey": "0", "TagValue": "new"}, {"TagKey": "more", "TagValue": ""}])
        with refused("TagException", "Tags beginning with aws: are reserved"):
            kms.tag_resource(KeyId=key, Tags=[{"TagKey": "aws:x", "TagValue": ""}])
        with refused("TagException", "Tags beginning with aws: are reserved"):
            kms.untag_resource(KeyId=key, TagKeys=["aws:x"])
        tags = kms.list_resource_tags(KeyId=key)["Tags"]
        assert len(tags) == 50 and not any(tag["TagValue"] for tag in tags)

    @pytest.mark.parametrize(
        "tag, rule",
        [
            ({"TagKey": "k" * 129, "TagValue": ""}, ("tagKey", "have length less than or equal to 128")),
            ({"TagKey": "k", "TagValue": "v" * 257}, ("tagValue", "have length less than or equal to 256")),
        ],
    )
    def test_lengths(self, kms, key, tag, rule):
        with refused("ValidationException", constraint(f"tags.1.member.{rule[0]}", rule[1])):
            kms.tag_resource(KeyId=key, Tags=[tag])


class TestRotation:
    def status(self, kms, key):
        return body(kms.get_key_rotation_status(KeyId=key))

    def test_switched_on_and_off(self, kms, key):
        key_id = key.rsplit("/", 1)[1]
        off = {"KeyRotationEnabled": False, "KeyId": key_id}
        assert self.status(kms, key) == off
        for days in (None, 90, 2560):
            asked = {} if days is None else {"RotationPeriodInDays": days}
            assert body(kms.enable_key_rotation(KeyId=key, **asked)) == {}
            on = {"KeyRotationEnabled": True, "RotationPeriodInDays": days or 365, "NextRotationDate": InDays(days or 365)}
            assert self.status(kms, key) == {"KeyId": key_id, **on}
        assert body(kms.disable_key_rotation(KeyId=key)) == {}
        assert self.status(kms, key) == off

    def test_a_disabled_key_keeps_its_status_and_one_pending_deletion_has_none(self, kms, key):
        kms.enable_key_rotation(KeyId=key)
        kms.disable_key(KeyId=key)
        assert self.status(kms, key)["KeyRotationEnabled"] is True
        kms.schedule_key_deletion(KeyId=key)
        assert self.status(kms, key) == {"KeyRotationEnabled": False, "KeyId": key.rsplit("/", 1)[1]}
        kms.cancel_key_deletion(KeyId=key)
        assert self.status(kms, key)["KeyRotationEnabled"] is True

    def test_on_demand(self, kms, key):
        key_id, materials = key.rsplit("/", 1)[1], [described(kms, key)["CurrentKeyMaterialId"]]
        for _ in range(3):
            assert body(kms.rotate_key_on_demand(KeyId=key)) == {"KeyId": key_id}
            materials.append(described(kms, key)["CurrentKeyMaterialId"])
        assert len(set(materials)) == 4
        rotations = [
            {"KeyId": key_id, "KeyMaterialId": material, "KeyMaterialState": state, "RotationDate": RECENTLY,
             "RotationType": "ON_DEMAND"}
            for material, state in zip(materials[1:], ["NON_CURRENT", "NON_CURRENT", "CURRENT"])
        ]  # fmt: skip
        assert body(kms.list_key_rotations(KeyId=key)) == {"Rotations": rotations, "Truncated": False}
        first = {"KeyId": key_id, "KeyMaterialId": materials[0], "KeyMaterialState": "NON_CURRENT"}
        every = {"KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}
        assert kms.list_key_rotations(**every)["Rotations"] == [first, *rotations]
        page = kms.list_key_rotations(**every, Limit=3)
        assert (page["Truncated"], len(page["Rotations"])) == (True, 3)
        rest = kms.list_key_rotations(**every, Marker=page["NextMarker"])
        assert (rest["Truncated"], rest["Rotations"]) == (False, rotations[2:])
        with refused("InvalidMarkerException", "The marker is not valid."):
            kms.list_key_rotations(KeyId=key, Marker=page["NextMarker"])

    def test_at_most_25_times(self, kms, key):
        for _ in range(25):
            kms.rotate_key_on_demand(KeyId=key)
        text = f"{key} was rotated on demand 25 times, and a key can be no more often"
        with refused("LimitExceededException", text):
            kms.rotate_key_on_demand(KeyId=key)

    def test_a_period_that_is_too_long(self, kms, key):
        with refused("ValidationException", constraint("rotationPeriodInDays", "have value less than or equal to 2560")):
            kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=2561)


class TestLists:
    def test_pages_of_keys(self, alone):
        keys = sorted(make_key(alone) for _ in range(5))
        entries = [{"KeyId": arn.rsplit("/", 1)[1], "KeyArn": arn} for arn in keys]
        assert body(alone.list_keys()) == {"Keys": entries, "Truncated": False}
        pages = list(alone.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
        assert [page["Keys"] for page in pages] == [entries[:2], entries[2:4], entries[4:]]
        assert [page["Truncated"] for page in pages] == [True, True, False]
        # A key that is deleted or made in between disturbs no other page.
        first = alone.list_keys(Limit=2)
        more = make_key(alone)
        rest = alone.list_keys(Marker=first["NextMarker"])["Keys"]
        assert [entry for entry in rest if entry["KeyArn"] != more] == entries[2:]
        assert alone.list_keys(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []

    @pytest.mark.parametrize("marker", ["x", " ", "AAAA", "0" * 1024])
    def test_markers_that_are_none(self, alone, marker):
        for operation in ("list_keys", "list_aliases"):
            with refused("InvalidMarkerException", "The marker is not valid."):
                getattr(alone, operation)(Marker=marker)

    def test_a_marker_of_another_list(self, alone):
        for _ in range(2):
            make_key(alone)
        marker = alone.list_keys(Limit=1)["NextMarker"]
        with refused("InvalidMarkerException", "The marker is not valid."):
            alone.list_aliases(Marker=marker)


class TestServicesOwnKeys:
    """AWS managed keys: there once they were used, shown to everybody in the account, changed by nobody."""

    def test_described(self, kms, own):
        found = described(kms, OWN)
        text = "Default key that protects my Secrets Manager data when no other key is defined"
        expected = metadata(own, KeyManager="AWS", Description=text)
        expected.pop("CreationDate")
        assert found == expected
        assert own in [entry["KeyArn"] for page in kms.get_paginator("list_keys").paginate() for entry in page["Keys"]]
        aliases = [alias for page in kms.get_paginator("list_aliases").paginate() for alias in page["Aliases"]]
        arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:{OWN}"
        shown = {"AliasName": OWN, "AliasArn": arn, "TargetKeyId": own.rsplit("/", 1)[1]}
        assert [alias for alias in aliases if alias["AliasName"] == OWN] == [shown]

    @pytest.mark.parametrize(
        "operation",
        [
            "cancel_key_deletion", "disable_key", "disable_key_rotation", "enable_key", "enable_key_rotation",
            "put_key_policy", "rotate_key_on_demand", "schedule_key_deletion", "tag_resource", "untag_resource",
            "update_key_description",
        ],
    )  # fmt: skip
    def test_changed_by_nobody(self, kms, own, operation):
        with refused("AccessDeniedException", Matching(".*")):
            getattr(kms, operation)(KeyId=own, **ON_A_KEY[operation])
        assert described(kms, own)["KeyState"] == "Enabled"

    def test_its_policy_can_be_read(self, kms, own):
        policy = kms.get_key_policy(KeyId=own)
        assert policy["PolicyName"] == "default"
        assert f'"kms:ViaService" : "secretsmanager.{REGION}.amazonaws.com"' in policy["Policy"]
