"""Who may do what with a KMS key: key policies, identity policies, conditions; seen through KMS and through secrets."""

import json
import uuid

import pytest

import accounts
import broker as brokers
from accounts import OTHER, arn, policy, statement
from broker import ACCOUNT, REGION
from conftest import client, find_canary, make_key
from expect import Matching, body, refused

NO_ACCESS = "Access to KMS is not allowed"
LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    broker = accounts.served(tmp_path_factory.mktemp("keys") / "data")
    yield broker
    assert broker.stop() == 0
    assert find_canary(broker) == []


@pytest.fixture(scope="module")
def access_keys(vault):
    return {user: accounts.access_key(vault, arn(user)) for user in accounts.ACCOUNTS}


def clients(vault, access_keys, service):
    made = {user: client(service, vault.tls, key, verify=vault.ca) for user, key in access_keys.items()}
    return made.__getitem__


@pytest.fixture(scope="module")
def kms_as(vault, access_keys):
    return clients(vault, access_keys, "kms")


@pytest.fixture(scope="module")
def secrets_as(vault, access_keys):
    return clients(vault, access_keys, "secretsmanager")


def user(name, actions="kms:*", effect="Allow", **more):
    return statement(effect, {"AWS": arn(name)}, actions, **more)


def through(service, region=REGION):
    return {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}


@pytest.fixture
def key_with(kms_as):
    """`key_with(statement, ..)`: a key that the owner may do everything with, and its policy says this besides."""

    def make(*statements, **more):
        return make_key(kms_as("owner"), Policy=policy(user("owner"), *statements), **more)

    return make


@pytest.fixture
def sealed(secrets_as, name, value):
    """`sealed(key)`: the ARN of a new secret under a key."""

    def make(key, ending=""):
        return secrets_as("owner").create_secret(Name=name + ending, SecretString=value, KmsKeyId=key)["ARN"]

    return make


def denied(who, action, resource, reason):
    return refused(
        "AccessDeniedException",
        f"User: {arn(who)} is not authorized to perform: {action} on resource: {resource} {reason}",
    )


def by_no_key_policy(action):
    return f"because no resource-based policy allows the {action} action"


def by_no_identity_policy(action):
    return f"because no identity-based policy allows the {action} action"


class TestKeyPolicies:
    def test_without_it_nobody_is_let_in(self, kms_as, key_with):
        key = key_with()
        for who in ("reader", "guest"):
            with denied(who, "kms:DescribeKey", key, by_no_key_policy("kms:DescribeKey")):
                kms_as(who).describe_key(KeyId=key)
        assert kms_as("owner").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key

    def test_the_account_leaves_it_to_identity_policies(self, kms_as, key_with):
        key = key_with(statement("Allow", {"AWS": ACCOUNT}, "kms:DescribeKey"))
        assert kms_as("reader").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
        with denied("plain", "kms:DescribeKey", key, by_no_identity_policy("kms:DescribeKey")):
            kms_as("plain").describe_key(KeyId=key)
        with denied("reader", "kms:DisableKey", key, by_no_key_policy("kms:DisableKey")):
            kms_as("reader").disable_key(KeyId=key)

    def test_the_default_policy_does(self, kms_as):
        key = make_key(kms_as("owner"))
        kms_as("reader").disable_key(KeyId=key)
        with denied("plain", "kms:EnableKey", key, by_no_identity_policy("kms:EnableKey")):
            kms_as("plain").enable_key(KeyId=key)

    def test_a_user_that_it_names_needs_no_identity_policy(self, kms_as, key_with):
        key = key_with(user("plain", "kms:DescribeKey"))
        assert kms_as("plain").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key

    def test_another_account_needs_both(self, kms_as, key_with):
        key = key_with(statement("Allow", {"AWS": OTHER}, "kms:DescribeKey"), user("bare", "kms:DescribeKey"))
        assert kms_as("guest").describe_key(KeyId=key)["KeyMetadata"]["AWSAccountId"] == ACCOUNT
        with denied("bare", "kms:DescribeKey", key, by_no_identity_policy("kms:DescribeKey")):
            kms_as("bare").describe_key(KeyId=key)

    def test_its_deny_wins(self, kms_as, key_with):
        key = key_with(statement("Allow", {"AWS": ACCOUNT}, "kms:*"), user("reader", "kms:Describe*", "Deny"))
        reason = "with an explicit deny in a resource-based policy"
        with denied("reader", "kms:DescribeKey", key, reason):
            kms_as("reader").describe_key(KeyId=key)

    def test_a_new_one_counts_at_once(self, kms_as, key_with):
        key, owner = key_with(), kms_as("owner")
        new = policy(user("owner"), user("reader", "kms:GetKeyPolicy"))
        assert body(owner.put_key_policy(KeyId=key, Policy=new)) == {}
        assert body(kms_as("reader").get_key_policy(KeyId=key)) == {"Policy": new, "PolicyName": "default"}
        with refused("NotFoundException", "No such policy exists: other"):
            owner.get_key_policy(KeyId=key, PolicyName="other")
        with refused("ValidationException", "The AWS_RAM policy can only be managed by the RAM service."):
            owner.put_key_policy(KeyId=key, Policy=new, PolicyName="AWS_RAM")

    def test_a_key_that_does_not_exist_looks_like_one_that_is_forbidden(self, kms_as, key_with):
        key = key_with()
        absent = key[:-1] + ("0" if key[-1] != "0" else "1")
        with denied("plain", "kms:DescribeKey", absent, by_no_identity_policy("kms:DescribeKey")):
            kms_as("plain").describe_key(KeyId=absent)
        with denied("plain", "kms:DescribeKey", key, by_no_identity_policy("kms:DescribeKey")):
            kms_as("plain").describe_key(KeyId=key)

    @pytest.mark.parametrize("condition", ["aws:ResourceTag/team", "kms:ResourceAliases", "kms:RequestAlias"])
    def test_conditions_on_tags_and_aliases(self, kms_as, key_with, condition):
        alias = f"alias/team/{uuid.uuid4().hex}"
        operator = "ForAnyValue:StringEquals" if condition == "kms:ResourceAliases" else "StringEquals"
        wanted = "a" if condition.startswith("aws:") else alias
        rule = {operator: {condition: wanted}}
        key, owner = key_with(user("plain", "kms:DescribeKey", Condition=rule)), kms_as("owner")
        with denied("plain", "kms:DescribeKey", key, by_no_identity_policy("kms:DescribeKey")):
            kms_as("plain").describe_key(KeyId=key)
        owner.create_alias(AliasName=alias, TargetKeyId=key)
        owner.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "a"}])
        named = alias if condition == "kms:RequestAlias" else key
        assert kms_as("plain").describe_key(KeyId=named)["KeyMetadata"]["Arn"] == key

    def test_making_keys_and_aliases_takes_permission(self, kms_as, key_with):
        plain, alias = kms_as("plain"), f"alias/{uuid.uuid4().hex}"
        for action, call in (("CreateKey", plain.create_key), ("ListKeys", plain.list_keys), ("ListAliases", plain.list_aliases)):
            reason = by_no_identity_policy(f"kms:{action}")
            with refused("AccessDeniedException", Matching(rf"User: {arn('plain')} is not authorized to perform: .* {reason}")):
                call()
        key = key_with(user("plain"))
        alias_arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"
        with denied("plain", "kms:CreateAlias", alias_arn, by_no_identity_policy("kms:CreateAlias")):
            plain.create_alias(AliasName=alias, TargetKeyId=key)
        other = make_key(kms_as("owner"), Policy=policy(user("owner")))
        with denied("reader", "kms:CreateAlias", other, by_no_key_policy("kms:CreateAlias")):
            kms_as("reader").create_alias(AliasName=alias, TargetKeyId=other)


class TestLockout:
    SHUT = policy(user("plain", "kms:DescribeKey"))

    def test_a_policy_that_locks_its_maker_out(self, kms_as, key_with):
        owner, key = kms_as("owner"), key_with()
        for call in (lambda: owner.create_key(Policy=self.SHUT), lambda: owner.put_key_policy(KeyId=key, Policy=self.SHUT)):
            with refused("MalformedPolicyDocumentException", LOCKED_OUT):
                call()
        assert owner.get_key_policy(KeyId=key)["Policy"] != self.SHUT

    def test_waived(self, kms_as, vault, key_with):
        owner, key = kms_as("owner"), key_with()
        owner.put_key_policy(KeyId=key, Policy=self.SHUT, BypassPolicyLockoutSafetyCheck=True)
        with denied("owner", "kms:GetKeyPolicy", key, by_no_key_policy("kms:GetKeyPolicy")):
            owner.get_key_policy(KeyId=key)
        assert kms_as("plain").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key

    def test_the_account_is_never_locked_out(self, kms_as, key_with):
        """Whom the account lets can mend it, though whoever puts it may not."""
        key, account = key_with(user("plain", "kms:PutKeyPolicy")), policy(statement("Allow", {"AWS": ACCOUNT}, "kms:*"))
        kms_as("plain").put_key_policy(KeyId=key, Policy=account)
        with denied("plain", "kms:PutKeyPolicy", key, by_no_identity_policy("kms:PutKeyPolicy")):
            kms_as("plain").put_key_policy(KeyId=key, Policy=account)
        assert kms_as("reader").get_key_policy(KeyId=key)["Policy"] == account

    def test_waiving_it_can_be_forbidden(self, kms_as, key_with):
        rule = {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}
        key = key_with(user("owner", "kms:PutKeyPolicy", "Deny", Condition=rule))
        with denied("owner", "kms:PutKeyPolicy", key, "with an explicit deny in a resource-based policy"):
            kms_as("owner").put_key_policy(KeyId=key, Policy=self.SHUT, BypassPolicyLockoutSafetyCheck=True)

    @pytest.mark.parametrize(
        "text, message",
        [
            ("{}", Matching("(?s)error.*Statement.*")),
            ("no JSON", Matching("(?s)error.*not valid JSON.*")),
            (policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}), Matching("(?s)error.*Principal.*")),
            (policy(user("owner", Condition={"StringEquals": {"kms:Viaservise": "x"}})), Matching("(?s)error.*kms:ViaService.*")),
            (policy(user("owner"), statement("Allow", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}, "kms:*")),
             f"Policy contains a statement with one or more invalid principals. (arn:aws:iam::{ACCOUNT}:user/nobody does not exist)"),
        ],
    )  # fmt: skip
    def test_what_is_no_key_policy(self, kms_as, key_with, text, message):
        owner, key = kms_as("owner"), key_with()
        for call in (lambda: owner.create_key(Policy=text), lambda: owner.put_key_policy(KeyId=key, Policy=text)):
            with refused("MalformedPolicyDocumentException", message):
                call()

    def test_the_longest(self, kms_as, key_with):
        owner, key = kms_as("owner"), key_with()
        text = policy(user("owner"))
        kms_as("owner").put_key_policy(KeyId=key, Policy=text + " " * (32768 - len(text)))
        with refused("LimitExceededException", "The policy is longer than 32768 bytes."):
            owner.put_key_policy(KeyId=key, Policy=text + " " * (32769 - len(text)))


class TestSecrets:
    """A customer key is decided on for each use, beside the permission for the secret."""

    def read(self, secrets_as, who, secret, **which):
        return secrets_as(who).get_secret_value(SecretId=secret, **which)["SecretString"]

    def test_reading_takes_decrypt(self, secrets_as, key_with, sealed, value):
        secret = sealed(key_with())
        with refused("AccessDeniedException", NO_ACCESS):
            self.read(secrets_as, "reader", secret)
        (error,) = secrets_as("reader").batch_get_secret_value(SecretIdList=[secret])["Errors"]
        assert error == {"SecretId": secret, "ErrorCode": "AccessDeniedException", "Message": NO_ACCESS}
        assert self.read(secrets_as, "owner", secret) == value
        allowed = sealed(key_with(user("reader", "kms:Decrypt")), "2")
        assert self.read(secrets_as, "reader", allowed) == value

    @pytest.mark.parametrize("missing", ["kms:GenerateDataKey", "kms:Decrypt"])
    def test_writing_takes_generate_data_key_and_decrypt(self, kms_as, secrets_as, name, value, key_with, sealed, missing):
        key = key_with()
        secret = sealed(key)
        forbidden = policy(user("owner"), user("owner", missing, "Deny"))
        kms_as("owner").put_key_policy(KeyId=key, Policy=forbidden)
        owner = secrets_as("owner")
        calls = (
            lambda: owner.put_secret_value(SecretId=secret, SecretString=value + "2"),
            lambda: owner.update_secret(SecretId=secret, SecretString=value + "2"),
            lambda: owner.create_secret(Name=name + "x", SecretString=value, KmsKeyId=key),
            lambda: owner.create_secret(Name=name + "x", KmsKeyId=key),
        )
        for call in calls:
            with refused("AccessDeniedException", NO_ACCESS):
                call()
        assert list(owner.describe_secret(SecretId=secret)["VersionIdsToStages"].values()) == [["AWSCURRENT"]]

    def test_the_services_own_key_takes_no_permission(self, secrets_as, name, value):
        secret = secrets_as("owner").create_secret(Name=name, SecretString=value)["ARN"]
        assert self.read(secrets_as, "reader", secret) == value

    def test_a_denied_key_is_not_told_from_a_disabled_one(self, kms_as, secrets_as, key_with, sealed):
        key = key_with()
        secret = sealed(key)
        kms_as("owner").disable_key(KeyId=key)
        with refused("AccessDeniedException", NO_ACCESS):
            self.read(secrets_as, "reader", secret)

    def test_a_version_under_a_former_key(self, secrets_as, key_with, sealed, value):
        former, key = key_with(), key_with(user("reader", "kms:Decrypt"))
        secret, owner = sealed(former), secrets_as("owner")
        first = owner.get_secret_value(SecretId=secret)["VersionId"]
        for number in (2, 3):
            owner.put_secret_value(SecretId=secret, SecretString=f"{value}{number}")
        owner.update_secret(SecretId=secret, KmsKeyId=key)
        assert self.read(secrets_as, "reader", secret) == f"{value}3"
        text = f"{NO_ACCESS}. This version of secret is not encrypted with the current KMS key."
        with refused("AccessDeniedException", text):
            self.read(secrets_as, "reader", secret, VersionId=first)

    @pytest.mark.parametrize(
        "service, region, seen",
        [("secretsmanager", REGION, True), ("ssm", REGION, False), ("secretsmanager", "us-east-1", False)],
    )
    def test_via_service(self, kms_as, secrets_as, key_with, sealed, value, service, region, seen):
        key = key_with(user("reader", ["kms:Decrypt", "kms:DescribeKey"], Condition=through(service, region)))
        secret = sealed(key)
        if seen:
            assert self.read(secrets_as, "reader", secret) == value
        else:
            with refused("AccessDeniedException", NO_ACCESS):
                self.read(secrets_as, "reader", secret)
        with denied("reader", "kms:DescribeKey", key, by_no_key_policy("kms:DescribeKey")):
            kms_as("reader").describe_key(KeyId=key)

    def test_the_encryption_context_names_the_secret(self, kms_as, secrets_as, key_with, sealed, value):
        key = key_with()
        one, other = sealed(key, "1"), sealed(key, "2")
        rule = {"StringEquals": {"kms:EncryptionContext:SecretARN": one}}
        kms_as("owner").put_key_policy(
            KeyId=key, Policy=policy(user("owner"), user("reader", "kms:Decrypt", Condition=rule))
        )
        assert self.read(secrets_as, "reader", one) == value
        with refused("AccessDeniedException", NO_ACCESS):
            self.read(secrets_as, "reader", other)
        batch = secrets_as("reader").batch_get_secret_value(SecretIdList=[one, other])
        assert [found["ARN"] for found in batch["SecretValues"]] == [one]
        assert [(error["SecretId"], error["Message"]) for error in batch["Errors"]] == [(other, NO_ACCESS)]

    def test_the_encryption_context_names_the_version(self, kms_as, secrets_as, key_with, sealed, value):
        key = key_with()
        secret, owner = sealed(key), secrets_as("owner")
        first = owner.get_secret_value(SecretId=secret)["VersionId"]
        owner.put_secret_value(SecretId=secret, SecretString=value + "2")
        rule = {
            "StringEquals": {"kms:EncryptionContext:SecretVersionId": first},
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId"]},
        }
        kms_as("owner").put_key_policy(
            KeyId=key, Policy=policy(user("owner"), user("reader", "kms:Decrypt", Condition=rule))
        )
        assert self.read(secrets_as, "reader", secret, VersionId=first) == value
        with refused("AccessDeniedException", NO_ACCESS):
            self.read(secrets_as, "reader", secret)

    def test_another_accounts_key_and_secret(self, kms_as, secrets_as, name, value, key_with):
        key = key_with(statement("Allow", {"AWS": OTHER}, ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]))
        guest = secrets_as("guest")
        secret = guest.create_secret(Name=name, SecretString=value, KmsKeyId=key)["ARN"]
        assert guest.get_secret_value(SecretId=secret)["SecretString"] == value
        kms_as("owner").put_key_policy(KeyId=key, Policy=policy(user("owner")))
        with refused("AccessDeniedException", NO_ACCESS):
            guest.get_secret_value(SecretId=secret)
        kms_as("owner").disable_key(KeyId=key)
        with refused("AccessDeniedException", NO_ACCESS):
            guest.put_secret_value(SecretId=secret, SecretString=value + "2")

    def test_every_use_is_on_record(self, vault, secrets_as, key_with, sealed):
        key = key_with()
        secret = sealed(key)
        version = secrets_as("owner").get_secret_value(SecretId=secret)["VersionId"]
        with refused("AccessDeniedException", NO_ACCESS):
            self.read(secrets_as, "reader", secret)

        def events(name):
            search = brokers.sealdock(
                "audit", "search", "--data", vault.directory, "--event", name, "--limit", "500", "--json"
            )
            assert search.returncode == 0, search.stderr
            found = map(json.loads, search.stdout.splitlines())
            return [event for event in found if (event.get("requestParameters") or {}).get("keyId") == key]

        context = {"SecretARN": secret, "SecretVersionId": version}
        (made,) = [e for e in events("GenerateDataKey") if e["requestParameters"]["encryptionContext"] == context]
        decrypts = [e for e in events("Decrypt") if e["requestParameters"]["encryptionContext"] == context]
        assert {(e["userIdentity"]["arn"], e.get("errorCode")) for e in decrypts} == {
            (arn("owner"), None),
            (arn("reader"), "AccessDenied"),
        }
        for event in [made, *decrypts]:
            assert event["eventSource"] == "kms.amazonaws.com"
            assert [resource["ARN"] for resource in event["resources"]] == [key]
