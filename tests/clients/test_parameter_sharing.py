"""Resource policies of parameters: kept, checked, and enforced between two accounts."""

import json

import pytest

import accounts
from accounts import OTHER, arn
from broker import ACCOUNT, REGION
from conftest import client, find_canary, make_key
from expect import Matching, body, parameter_arn, refused

NO_PARAMETER = "The specified parameter to be shared could not be found."
ALL = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParameterHistory", "ssm:DescribeParameters"]


def policy(resource, principal=OTHER, actions=ALL, effect="Allow"):
    statement = {"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def path(name):
    return "/" + name


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    broker = accounts.served(tmp_path_factory.mktemp("shared") / "data")
    yield broker
    assert broker.stop() == 0
    assert find_canary(broker) == []


@pytest.fixture(scope="module")
def access(vault):
    return {user: accounts.access_key(vault, arn(user)) for user in accounts.ACCOUNTS}


@pytest.fixture(scope="module")
def as_user(vault, access):
    made = {user: client("ssm", vault.tls, key, verify=vault.ca) for user, key in access.items()}
    return made.__getitem__


@pytest.fixture
def advanced(parameters, path):
    parameters.put_parameter(Name=path, Value="v", Type="String", Tier="Advanced")
    return parameter_arn(path)


class TestKept:
    def test_put_get_update_delete(self, parameters, advanced):
        assert body(parameters.get_resource_policies(ResourceArn=advanced)) == {"Policies": []}
        text = policy(advanced)
        first = body(parameters.put_resource_policy(ResourceArn=advanced, Policy=text))
        assert set(first) == {"PolicyId", "PolicyHash"}
        assert body(parameters.get_resource_policies(ResourceArn=advanced)) == {"Policies": [first | {"Policy": text}]}
        other = policy(advanced, actions="ssm:GetParameter")
        second = body(parameters.put_resource_policy(ResourceArn=advanced, Policy=other, **first))
        assert second["PolicyId"] == first["PolicyId"] and second["PolicyHash"] != first["PolicyHash"]
        for stale in (
            lambda: parameters.put_resource_policy(ResourceArn=advanced, Policy=text, **first),
            lambda: parameters.delete_resource_policy(ResourceArn=advanced, **first),
        ):
            with refused("ResourcePolicyConflictException", Matching("The hash provided in the call doesn't match .+")):
                stale()
        assert body(parameters.delete_resource_policy(ResourceArn=advanced, **second)) == {}
        assert body(parameters.get_resource_policies(ResourceArn=advanced)) == {"Policies": []}
        with refused(
            "ResourcePolicyNotFoundException", "No policies with the specified policy ID and hash could be found."
        ):
            parameters.delete_resource_policy(ResourceArn=advanced, **second)

    def test_it_outlives_versions_and_ends_with_the_parameter(self, parameters, path, advanced):
        parameters.put_resource_policy(ResourceArn=advanced, Policy=policy(advanced))
        parameters.put_parameter(Name=path, Value="w", Overwrite=True)
        assert len(parameters.get_resource_policies(ResourceArn=advanced)["Policies"]) == 1
        parameters.delete_parameter(Name=path)
        parameters.put_parameter(Name=path, Value="v", Type="String", Tier="Advanced")
        assert parameters.get_resource_policies(ResourceArn=advanced)["Policies"] == []

    def test_one_and_no_more(self, parameters, advanced):
        parameters.put_resource_policy(ResourceArn=advanced, Policy=policy(advanced))
        with refused("ResourcePolicyLimitExceededException", Matching("A parameter has one resource policy at most.+")) as caught:
            parameters.put_resource_policy(ResourceArn=advanced, Policy=policy(advanced))
        assert caught.value.response["Limit"] == 1 and caught.value.response["LimitType"]

    def test_advanced_parameters_only(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        standard = parameter_arn(path)
        with refused(
            "ResourcePolicyInvalidParameterException",
            "To share a parameter, it must be in the advanced parameter tier.",
        ) as caught:
            parameters.put_resource_policy(ResourceArn=standard, Policy=policy(standard))
        assert caught.value.response["ParameterNames"] == ["ResourceArn"]

    def test_no_such_parameter(self, parameters, path):
        missing = parameter_arn(path)
        with refused("ResourceNotFoundException", NO_PARAMETER):
            parameters.put_resource_policy(ResourceArn=missing, Policy=policy(missing))
        with refused("ResourceNotFoundException", NO_PARAMETER):
            parameters.get_resource_policies(ResourceArn=missing)
        with refused("ResourceNotFoundException", NO_PARAMETER):
            parameters.delete_resource_policy(ResourceArn=missing, PolicyId="i", PolicyHash="h")

    @pytest.mark.parametrize(
        "resource", ["x" * 20, f"arn:aws:ssm:{REGION}:{ACCOUNT}:opsitemgroup/default", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a:1"]
    )
    def test_other_resources(self, parameters, resource):
        with refused("ResourcePolicyInvalidParameterException", Matching("The resource must be a parameter, .+")):
            parameters.get_resource_policies(ResourceArn=resource)

    @pytest.mark.parametrize("given, missing", [("PolicyId", "PolicyHash"), ("PolicyHash", "PolicyId")])
    def test_id_and_hash_go_together(self, parameters, advanced, given, missing):
        with refused("ResourcePolicyInvalidParameterException", Matching(".+PolicyId and PolicyHash.")) as caught:
            parameters.put_resource_policy(ResourceArn=advanced, Policy=policy(advanced), **{given: "x"})
        assert caught.value.response["ParameterNames"] == [missing]

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[]",
            "{}",
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}',
            policy("*", principal="*"),
        ],
    )
    def test_documents_that_are_refused(self, parameters, advanced, text):
        with refused("MalformedResourcePolicyDocumentException", Matching("(?s).+")):
            parameters.put_resource_policy(ResourceArn=advanced, Policy=text)

    def test_the_longest_policy(self, parameters, advanced):
        text = policy(advanced).ljust(1024)
        parameters.put_resource_policy(ResourceArn=advanced, Policy=text)
        with refused("ResourcePolicyLimitExceededException", "A policy can't be greater than 1024 bytes in size."):
            parameters.put_resource_policy(ResourceArn=advanced, Policy=text + " ")


class TestBetweenAccounts:
    @pytest.fixture
    def shared(self, as_user, path):
        as_user("owner").put_parameter(Name=path, Value="v1", Type="String", Tier="Advanced")
        as_user("owner").put_parameter(Name=path, Value="v2", Overwrite=True)
        return parameter_arn(path)

    def test_both_sides_have_to_allow(self, as_user, shared):
        reading = {"Name": shared}
        with refused("AccessDeniedException", Matching(".+ because no resource-based policy allows the ssm:GetParameter action")):
            as_user("guest").get_parameter(**reading)
        as_user("owner").put_resource_policy(ResourceArn=shared, Policy=policy(shared))
        assert as_user("guest").get_parameter(**reading)["Parameter"]["Value"] == "v2"
        with refused("AccessDeniedException", Matching(".+ because no identity-based policy allows the ssm:GetParameter action")):
            as_user("bare").get_parameter(**reading)

    def test_everything_that_reads(self, as_user, path, shared):
        as_user("owner").put_resource_policy(ResourceArn=shared, Policy=policy(shared))
        guest = as_user("guest")
        found = guest.get_parameter(Name=shared + ":1")["Parameter"]
        assert (found["Name"], found["ARN"], found["Value"], found["Selector"]) == (path, shared, "v1", ":1")
        answer = guest.get_parameters(Names=[shared])
        assert [entry["ARN"] for entry in answer["Parameters"]] == [shared]
        history = guest.get_parameter_history(Name=shared)["Parameters"]
        assert [entry["Value"] for entry in history] == ["v1", "v2"]
        # By its name, it would be a parameter of the guest's own account.
        with refused("ParameterNotFound", f"Parameter {path} not found."):
            guest.get_parameter(Name=path)

    def test_only_what_the_policy_says(self, as_user, shared):
        text = policy(shared, principal=arn("guest"), actions="ssm:GetParameters")
        as_user("owner").put_resource_policy(ResourceArn=shared, Policy=text)
        assert as_user("guest").get_parameters(Names=[shared])["Parameters"]
        for call in ("get_parameter", "get_parameter_history"):
            with refused("AccessDeniedException", Matching(".+ because no resource-based policy allows .+")):
                getattr(as_user("guest"), call)(Name=shared)

    def test_within_the_account_it_adds_and_denies(self, as_user, shared):
        with refused("AccessDeniedException", Matching(".+")):
            as_user("plain").get_parameter(Name=shared)
        text = policy(shared, principal=arn("plain"))
        put = as_user("owner").put_resource_policy(ResourceArn=shared, Policy=text)
        assert as_user("plain").get_parameter(Name=shared)["Parameter"]["Value"] == "v2"
        denies = policy(shared, principal=arn("owner"), actions="ssm:GetParameter", effect="Deny")
        as_user("owner").put_resource_policy(
            ResourceArn=shared, Policy=denies, PolicyId=put["PolicyId"], PolicyHash=put["PolicyHash"]
        )
        with refused("AccessDeniedException", Matching(".+ with an explicit deny in a resource-based policy")):
            as_user("owner").get_parameter(Name=shared)

    def test_a_guest_writes_nothing(self, as_user, shared):
        as_user("owner").put_resource_policy(ResourceArn=shared, Policy=policy(shared, actions="ssm:*"))
        guest = as_user("guest")
        for call, arguments in (
            (guest.put_parameter, {"Name": shared, "Value": "mine", "Overwrite": True}),
            (guest.delete_parameter, {"Name": shared}),
            (guest.label_parameter_version, {"Name": shared, "Labels": ["mine"]}),
        ):
            with refused("ValidationException", Matching("(?s).+")):
                call(**arguments)
        with refused("ResourceNotFoundException", NO_PARAMETER):
            guest.put_resource_policy(ResourceArn=shared, Policy=policy(shared))
        with refused("ResourceNotFoundException", NO_PARAMETER):
            guest.get_resource_policies(ResourceArn=shared)
        assert as_user("owner").get_parameter(Name=shared)["Parameter"]["Version"] == 2

    def test_whether_it_exists_is_not_told(self, as_user, shared):
        texts = []
        for name in (shared, shared + "x"):
            with refused("AccessDeniedException", Matching("User: .+")) as caught:
                as_user("guest").get_parameter(Name=name)
            texts.append(caught.value.response["Error"]["Message"].replace(name, ""))
        assert texts[0] == texts[1]

    def test_the_list_of_what_is_shared(self, as_user, path):
        owner, guest = as_user("owner"), as_user("guest")
        named = [f"{path}/{number}" for number in range(5)]
        for name in named:
            owner.put_parameter(Name=name, Value="v", Type="String", Tier="Advanced")
        for name in named[:4]:
            owner.put_resource_policy(ResourceArn=parameter_arn(name), Policy=policy("*"))
        owner.put_resource_policy(ResourceArn=parameter_arn(named[4]), Policy=policy("*", principal=arn("bare")))

        def listed(user, **more):
            under = {"ParameterFilters": [{"Key": "Path", "Values": [path]}], "Shared": True} | more
            pages = as_user(user).get_paginator("describe_parameters").paginate(**under)
            return [entry["ARN"] for page in pages for entry in page["Parameters"]]

        arns = [parameter_arn(name) for name in named[:4]]
        assert listed("guest") == arns == listed("guest", MaxResults=1) == listed("guest", MaxResults=3)
        assert listed("owner") == []
        assert parameter_arn(named[0]) not in str(guest.describe_parameters())
        only = listed("guest", ParameterFilters=[{"Key": "Name", "Values": [named[2]]}])
        assert only == [parameter_arn(named[2])]
        owner.delete_parameter(Name=named[1])
        (entry,) = owner.get_resource_policies(ResourceArn=arns[2])["Policies"]
        owner.delete_resource_policy(ResourceArn=arns[2], PolicyId=entry["PolicyId"], PolicyHash=entry["PolicyHash"])
        assert listed("guest") == [arns[0], arns[3]]

    def test_no_account_uses_the_default_key_of_another(self, as_user, path, value):
        owner, guest = as_user("owner"), as_user("guest")
        owner.put_parameter(Name=path, Value=value, Type="SecureString", Tier="Advanced")
        shared = parameter_arn(path)
        owner.put_resource_policy(ResourceArn=shared, Policy=policy(shared))
        assert value not in guest.get_parameter(Name=shared)["Parameter"]["Value"]
        for call in (
            lambda: guest.get_parameter(Name=shared, WithDecryption=True),
            lambda: guest.get_parameters(Names=[shared], WithDecryption=True),
            lambda: guest.get_parameter_history(Name=shared, WithDecryption=True),
        ):
            with refused("AccessDeniedException", Matching("The ciphertext refers to a customer master key .+")):
                call()

    @pytest.mark.parametrize("allowed", [True, False])
    def test_a_key_of_ones_own_is_shared_by_its_policy(self, vault, access, as_user, path, value, allowed):
        """As AWS has it for shared SecureStrings: the parameter and the key are shared separately."""
        owner, guest = as_user("owner"), as_user("guest")
        principals = [ACCOUNT, OTHER] if allowed else [ACCOUNT]
        trusted = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "kms:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        keys = client("kms", vault.tls, access["owner"], verify=vault.ca)
        key = make_key(keys, Policy=document)
        owner.put_parameter(Name=path, Value=value, Type="SecureString", Tier="Advanced", KeyId=key)
        shared = parameter_arn(path)
        owner.put_resource_policy(ResourceArn=shared, Policy=policy(shared))
        for call, shown in (
            (guest.get_parameter, lambda answer: answer["Parameter"]),
            (guest.get_parameters, lambda answer: answer["Parameters"][0]),
            (guest.get_parameter_history, lambda answer: answer["Parameters"][0]),
        ):
            named = {"Names": [shared]} if call == guest.get_parameters else {"Name": shared}
            if allowed:
                assert shown(call(WithDecryption=True, **named))["Value"] == value
            else:
                with refused("AccessDeniedException", Matching(".+ kms:Decrypt on resource: .+ resource-based policy .+")):
                    call(WithDecryption=True, **named)
