"""Policies of secrets: kept as written, checked, enforced, also between accounts."""

import json

import pytest

import accounts
import broker as brokers
from accounts import OTHER, arn, policy, statement
from broker import ACCOUNT
from conftest import client, find_canary, make_key
from expect import MARKED, NO_SECRET, Matching, body, constraint, refused

OWN_KEY = "alias/shared"
DEFAULT_KEY = (
    "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key."
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    broker = accounts.served(tmp_path_factory.mktemp("accounts") / "data")
    yield broker
    assert broker.stop() == 0
    assert find_canary(broker) == []


@pytest.fixture(scope="module")
def as_user(vault):
    keys = {user: accounts.access_key(vault, arn(user)) for user in accounts.ACCOUNTS}
    made = {user: client("secretsmanager", vault.tls, key, verify=vault.ca) for user, key in keys.items()}
    return made.__getitem__


@pytest.fixture(scope="module")
def shared_key(vault):
    """A key that both accounts may use, under the alias `OWN_KEY`."""
    kms = client("kms", vault.tls, accounts.access_key(vault, arn("owner")), verify=vault.ca)
    make_key(kms, OWN_KEY, Policy=policy(statement("Allow", {"AWS": [ACCOUNT, OTHER]}, "kms:*")))


@pytest.fixture
def secret(as_user, name, value):
    return as_user("owner").create_secret(Name=name, SecretString=value)["ARN"]


def denied(reason):
    return refused("AccessDeniedException", Matching(rf"User: .+ is not authorized to perform: .+ {reason}"))


NOT_BY_IDENTITY = "because no identity-based policy allows the secretsmanager:GetSecretValue action"
NOT_BY_RESOURCE = "because no resource-based policy allows the secretsmanager:GetSecretValue action"
BY_RESOURCE = "with an explicit deny in a resource-based policy"


class TestKept:
    def test_none_one_another_none(self, secrets, name, value):
        arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
        none = {"ARN": arn, "Name": name}
        assert body(secrets.get_resource_policy(SecretId=name)) == none
        for text in (policy(statement("Allow", {"AWS": ACCOUNT})), policy(statement("Deny", "*"))):
            put = secrets.put_resource_policy(SecretId=name, ResourcePolicy=text)
            assert body(put) == none | {"PolicyName": "default"}
            got = secrets.get_resource_policy(SecretId=arn, PolicyName="default")
            assert body(got) == none | {"ResourcePolicy": text, "PolicyName": "default"}
            secrets.delete_resource_policy(SecretId=name, PolicyName="default")
        assert body(secrets.get_resource_policy(SecretId=name)) == none
        assert body(secrets.delete_resource_policy(SecretId=name)) == none | {"PolicyName": "default"}

    def test_it_survives_a_crash(self, tmp_path, name, value):
        vault = accounts.served(tmp_path / "data")
        keys = {user: accounts.access_key(vault, arn(user)) for user in ("owner", "reader")}

        def as_user(user):
            return client("secretsmanager", vault.tls, keys[user], verify=vault.ca)

        as_user("owner").create_secret(Name=name, SecretString=value)
        text = policy(statement("Deny", {"AWS": arn("reader")}))
        as_user("owner").put_resource_policy(SecretId=name, ResourcePolicy=text)
        vault.kill()
        vault = brokers.serve(vault.directory)
        assert as_user("owner").get_resource_policy(SecretId=name)["ResourcePolicy"] == text
        with denied(BY_RESOURCE):
            as_user("reader").get_secret_value(SecretId=name)
        assert vault.stop() == 0

    def test_other_names(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        only = "You can only attach the resource policy with the name default."
        with refused("InvalidParameterException", only):
            secrets.put_resource_policy(SecretId=name, ResourcePolicy=policy(statement("Deny", "*")), PolicyName="mine")
        with refused("InvalidParameterException", only):
            secrets.delete_resource_policy(SecretId=name, PolicyName="mine")
        with refused("ResourceNotFoundException", Matching("Secrets Manager can't find the resource policy mine: .+")):
            secrets.get_resource_policy(SecretId=name, PolicyName="mine")

    def test_no_secret(self, secrets, name):
        text = policy(statement("Deny", "*"))
        for call, more in (
            (secrets.get_resource_policy, {}),
            (secrets.delete_resource_policy, {}),
            (secrets.put_resource_policy, {"ResourcePolicy": text}),
            (secrets.validate_resource_policy, {"ResourcePolicy": text}),
        ):
            with refused("ResourceNotFoundException", NO_SECRET):
                call(SecretId=name, **more)

    def test_marked_for_deletion(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        secrets.delete_secret(SecretId=name)
        text = policy(statement("Deny", "*"))
        for call, more in (
            (secrets.get_resource_policy, {}),
            (secrets.delete_resource_policy, {}),
            (secrets.put_resource_policy, {"ResourcePolicy": text}),
            (secrets.validate_resource_policy, {"ResourcePolicy": text}),
        ):
            with refused("InvalidRequestException", MARKED):
                call(SecretId=name, **more)

    def test_changes_are_on_record(self, vault, as_user, name, secret):
        text = policy(statement("Allow", {"AWS": arn("plain")}))
        as_user("owner").put_resource_policy(SecretId=name, ResourcePolicy=text, BlockPublicPolicy=True)
        as_user("owner").delete_resource_policy(SecretId=name)
        found = {}
        for event in ("PutResourcePolicy", "DeleteResourcePolicy"):
            search = brokers.sealdock("audit", "search", "--data", vault.directory, "--event", event, "--json")
            events = map(json.loads, search.stdout.splitlines())
            found[event] = [e for e in events if e["requestParameters"]["secretId"] == name]
        (put,), (deleted,) = found.values()
        assert put["requestParameters"] == {
            "secretId": name, "resourcePolicy": json.loads(text), "blockPublicPolicy": True,
        }  # fmt: skip
        assert put["resources"][0]["ARN"] == deleted["resources"][0]["ARN"] == secret
        assert put["userIdentity"]["arn"] == arn("owner") and not put["readOnly"]


class TestChecked:
    @pytest.mark.parametrize(
        "text",
        [
            "x",
            "[]",
            "{}",
            '{"Version": "2019-10-19", "Statement": []}',
            policy({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}),
            policy(statement("Permit", {"AWS": ACCOUNT})),
            policy(statement("Allow", {"AWS": "ann"})),
            policy(statement("Allow", {"AWS": ACCOUNT}, Sidd="a")),
        ],
    )
    def test_malformed(self, secrets, name, value, text):
        secrets.create_secret(Name=name, SecretString=value)
        for call in (secrets.put_resource_policy, secrets.validate_resource_policy):
            with refused("MalformedPolicyDocumentException", Matching(r"This policy has invalid syntax\. \(.+\)")):
                call(SecretId=name, ResourcePolicy=text)
        assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId=name)

    def test_a_user_that_does_not_exist(self, as_user, name, secret):
        owner = as_user("owner")
        text = policy(statement("Allow", {"AWS": [arn("plain"), arn("owner") + "x"]}))
        with refused(
            "MalformedPolicyDocumentException",
            f"This resource policy contains an unsupported principal. ({arn('owner')}x does not exist)",
        ):
            owner.put_resource_policy(SecretId=name, ResourcePolicy=text)
        # What another account has, nobody here can tell.
        text = policy(statement("Allow", {"AWS": "arn:aws:iam::999988887777:role/app"}))
        owner.put_resource_policy(SecretId=name, ResourcePolicy=text)

    def test_development_knows_one_user_and_lets_policies_name_others(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        text = policy(statement("Allow", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/production"}))
        secrets.put_resource_policy(SecretId=name, ResourcePolicy=text)
        assert secrets.get_resource_policy(SecretId=name)["ResourcePolicy"] == text

    def test_its_length(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        text = policy(statement("Deny", {"AWS": "999988887777"})).replace("\n", "")
        secrets.put_resource_policy(SecretId=name, ResourcePolicy=text.ljust(20480))
        with refused("ValidationException", constraint("resourcePolicy", "have length less than or equal to 20480")):
            secrets.put_resource_policy(SecretId=name, ResourcePolicy=text.ljust(20481))

    @pytest.mark.parametrize("everyone", ["*", {"AWS": "*"}, {"AWS": [ACCOUNT, "*"]}])
    def test_public(self, secrets, name, value, everyone):
        secrets.create_secret(Name=name, SecretString=value)
        text = policy(statement("Allow", everyone))
        with refused(
            "PublicPolicyException",
            "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access to "
            "the secret.",
        ):
            secrets.put_resource_policy(SecretId=name, ResourcePolicy=text, BlockPublicPolicy=True)
        validated = secrets.validate_resource_policy(SecretId=name, ResourcePolicy=text)
        assert validated["PolicyValidationPassed"] is False
        assert [error["CheckName"] for error in validated["ValidationErrors"]] == ["PUBLIC_POLICY"]
        secrets.put_resource_policy(SecretId=name, ResourcePolicy=text)
        # To deny everyone is not public.
        text = policy(statement("Deny", everyone))
        secrets.put_resource_policy(SecretId=name, ResourcePolicy=text, BlockPublicPolicy=True)

    def test_valid(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        text = policy(statement("Allow", {"AWS": ACCOUNT}))
        passed = {"PolicyValidationPassed": True, "ValidationErrors": []}
        assert body(secrets.validate_resource_policy(ResourcePolicy=text)) == passed
        assert body(secrets.validate_resource_policy(SecretId=name, ResourcePolicy=text)) == passed
        assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId=name)

    def test_locking_oneself_out(self, as_user, name, secret):
        text = policy(statement("Deny", {"AWS": arn("owner")}, "secretsmanager:PutResourcePolicy"))
        validated = as_user("owner").validate_resource_policy(SecretId=name, ResourcePolicy=text)
        assert validated["PolicyValidationPassed"] is False
        assert [error["CheckName"] for error in validated["ValidationErrors"]] == ["LOCKOUT"]


class TestEnforced:
    def test_it_allows_what_identity_policies_do_not(self, as_user, name, secret, value):
        with denied(NOT_BY_IDENTITY):
            as_user("plain").get_secret_value(SecretId=name)
        as_user("owner").put_resource_policy(SecretId=name, ResourcePolicy=policy(statement("Allow", {"AWS": arn("plain")})))
        assert as_user("plain").get_secret_value(SecretId=name)["SecretString"] == value
        with denied("because no identity-based policy allows the secretsmanager:DescribeSecret action"):
            as_user("plain").describe_secret(SecretId=name)
        as_user("owner").delete_resource_policy(SecretId=name)
        with denied(NOT_BY_IDENTITY):
            as_user("plain").get_secret_value(SecretId=name)

    def test_it_denies_what_identity_policies_allow(self, as_user, name, secret, value):
        owner, reader = as_user("owner"), as_user("reader")
        assert reader.get_secret_value(SecretId=name)["SecretString"] == value
        owner.put_resource_policy(SecretId=name, ResourcePolicy=policy(statement("Deny", {"AWS": arn("reader")})))
        with denied(BY_RESOURCE):
            reader.get_secret_value(SecretId=name)
        (error,) = reader.batch_get_secret_value(SecretIdList=[name])["Errors"]
        assert error["ErrorCode"] == "AccessDeniedException" and error["Message"].endswith(BY_RESOURCE)
        assert owner.get_secret_value(SecretId=name)["SecretString"] == value

    def test_naming_the_account_leaves_it_to_identity_policies(self, as_user, name, secret):
        as_user("owner").put_resource_policy(SecretId=name, ResourcePolicy=policy(statement("Allow", {"AWS": ACCOUNT})))
        with denied(NOT_BY_IDENTITY):
            as_user("plain").get_secret_value(SecretId=name)


    def test_conditions_see_the_request_and_the_secret(self, as_user, name, secret, value):
        owner, plain = as_user("owner"), as_user("plain")
        owner.put_secret_value(SecretId=name, SecretString=value + "2")
        owner.tag_resource(SecretId=name, Tags=[{"Key": "team", "Value": "x"}])
        current = {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT", "secretsmanager:ResourceTag/team": "x"}}
        far = {"ForAnyValue:StringEquals": {"secretsmanager:AddReplicaRegions": ["eu-west-2"]}}
        owner.put_resource_policy(
            SecretId=name,
            ResourcePolicy=policy(
                statement("Allow", {"AWS": arn("plain")}, Condition=current),
                statement("Deny", {"AWS": arn("owner")}, "secretsmanager:ReplicateSecretToRegions", Condition=far),
            ),
        )
        assert plain.get_secret_value(SecretId=name)["SecretString"] == value + "2"
        with denied(NOT_BY_IDENTITY):
            plain.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
        owner.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": "eu-west-1"}])
        with denied(BY_RESOURCE):
            owner.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": "eu-west-3"}, {"Region": "eu-west-2"}])
        owner.tag_resource(SecretId=name, Tags=[{"Key": "team", "Value": "y"}])
        with denied(NOT_BY_IDENTITY):
            plain.get_secret_value(SecretId=name)


class TestAccounts:
    @pytest.fixture
    def shared(self, as_user, shared_key, name, value):
        """A secret under a key that is not the service's own."""
        return as_user("owner").create_secret(Name=name, SecretString=value, KmsKeyId=OWN_KEY)["ARN"]

    @pytest.fixture
    def to(self, as_user, name):
        def give(principal, actions="secretsmanager:*"):
            text = policy(statement("Allow", {"AWS": principal}, actions))
            as_user("owner").put_resource_policy(SecretId=name, ResourcePolicy=text)

        return give

    def test_both_sides_have_to_allow(self, as_user, shared, to):
        with denied(NOT_BY_RESOURCE):
            as_user("guest").get_secret_value(SecretId=shared)
        to(arn("bare"))
        with denied(NOT_BY_IDENTITY):
            as_user("bare").get_secret_value(SecretId=shared)
        with denied(NOT_BY_RESOURCE):
            as_user("guest").get_secret_value(SecretId=shared)

    @pytest.mark.parametrize("principal", [arn("guest"), OTHER, f"arn:aws:iam::{OTHER}:root"])
    def test_by_its_arn_only(self, as_user, name, value, shared, to, principal):
        to(principal)
        guest = as_user("guest")
        answer = guest.get_secret_value(SecretId=shared)
        assert (answer["ARN"], answer["SecretString"]) == (shared, value)
        # By its name, it would be a secret of the guest's own account.
        with refused("ResourceNotFoundException", NO_SECRET):
            guest.get_secret_value(SecretId=name)
        guest.put_secret_value(SecretId=shared, SecretString=value + "2")
        assert as_user("owner").get_secret_value(SecretId=name)["SecretString"] == value + "2"
        assert guest.describe_secret(SecretId=shared)["ARN"] == shared
        assert shared not in str(guest.list_secrets())
        (found,) = guest.batch_get_secret_value(SecretIdList=[shared])["SecretValues"]
        assert found["SecretString"] == value + "2"

    def test_the_default_key_serves_its_own_account(self, as_user, name, value):
        owner, guest = as_user("owner"), as_user("guest")
        arn = owner.create_secret(Name=name, SecretString=value)["ARN"]
        text = policy(statement("Allow", {"AWS": OTHER}, "secretsmanager:*"))
        owner.put_resource_policy(SecretId=name, ResourcePolicy=text)
        assert guest.describe_secret(SecretId=arn)["ARN"] == arn
        for call in (
            lambda: guest.get_secret_value(SecretId=arn),
            lambda: guest.put_secret_value(SecretId=arn, SecretString=value),
            lambda: guest.update_secret(SecretId=arn, SecretString=value),
        ):
            with refused("InvalidRequestException", DEFAULT_KEY):
                call()
        (error,) = guest.batch_get_secret_value(SecretIdList=[arn])["Errors"]
        assert (error["ErrorCode"], error["Message"]) == ("InvalidRequestException", DEFAULT_KEY)

    def test_a_name_in_each_account(self, as_user, name, value):
        made = {user: as_user(user).create_secret(Name=name, SecretString=value + user) for user in ("owner", "guest")}
        for user, account in (("owner", ACCOUNT), ("guest", OTHER)):
            assert made[user]["ARN"].startswith(f"arn:aws:secretsmanager:{brokers.REGION}:{account}:secret:{name}-")
            assert as_user(user).get_secret_value(SecretId=name)["SecretString"] == value + user
            listed = as_user(user).list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]
            assert [entry["ARN"] for entry in listed] == [made[user]["ARN"]]

    def test_whether_it_exists_is_not_told(self, as_user, shared):
        texts = []
        for secret_id in (shared, shared[:-1] + "~"):
            with refused("AccessDeniedException", Matching(r"User: .+")) as caught:
                as_user("guest").get_secret_value(SecretId=secret_id)
            texts.append(caught.value.response["Error"]["Message"].replace(secret_id, ""))
        assert texts[0] == texts[1]

    def test_roots(self, vault, name, value):
        """Whoever runs the broker has keys of each account's root, and of no account that nobody knows."""
        root = client("secretsmanager", vault.tls, accounts.access_key(vault, f"arn:aws:iam::{OTHER}:root"), vault.ca)
        arn = root.create_secret(Name=name, SecretString=value)["ARN"]
        assert f":{OTHER}:" in arn
        listed = brokers.sealdock("key", "list", "--socket", vault.socket, "--json")
        principals = {key["PrincipalArn"] for key in json.loads(listed.stdout)}
        assert {accounts.arn("owner"), accounts.arn("guest"), f"arn:aws:iam::{OTHER}:root"} <= principals
        stranger = brokers.sealdock(
            "key", "create", "--socket", vault.socket, "--principal", "arn:aws:iam::999988887777:root"
        )
        assert stranger.returncode != 0
