"""Condition keys of Parameter Store: ssm:Overwrite, ssm:Policies, ssm:Recursive, and tags of requests and parameters."""

import pytest

import broker as brokers
from conftest import client
from expect import Matching, refused
from policies import export, statement, user

POLICIES = '[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"1","Unit":"Days"}}]'


USERS = [
    user("admin", statement("Allow", "ssm:*")),
    # The examples of the User Guide.
    user(
        "creator",
        statement("Allow", "ssm:*"),
        statement("Deny", "ssm:PutParameter", {"StringEquals": {"ssm:Overwrite": ["true"]}}),
    ),
    user(
        "plain",
        statement("Allow", "ssm:*"),
        statement("Deny", "ssm:PutParameter", {"StringEquals": {"ssm:Policies": ["true"]}}),
    ),
    user(
        "flat",
        statement("Allow", "ssm:*"),
        statement("Deny", "ssm:GetParametersByPath", {"StringEquals": {"ssm:Recursive": ["true"]}}),
    ),
    user(
        "shop",
        statement("Allow", ["ssm:Get*", "ssm:PutParameter"], {"StringEquals": {"ssm:resourceTag/team": "shop"}}),
        statement("Allow", "ssm:DeleteParameter", {"StringEquals": {"aws:ResourceTag/team": "shop"}}),
    ),
    user(
        "tagger",
        statement("Allow", "ssm:PutParameter"),
        statement(
            "Allow",
            ["ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"],
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}, "StringEqualsIfExists": {"aws:RequestTag/team": "shop"}},
        ),
    ),
]
DOCUMENT = export(USERS)


@pytest.fixture(scope="module")
def as_user(tmp_path_factory):
    broker = brokers.served(tmp_path_factory.mktemp("conditions") / "data", DOCUMENT)
    names = [user["UserName"] for user in USERS]
    made = {user: client("ssm", broker.tls, brokers.access_key(broker, user), verify=broker.ca) for user in names}
    yield made.__getitem__
    assert broker.stop() == 0


@pytest.fixture
def path(name):
    return "/" + name


def denied(action):
    return refused("AccessDeniedException", Matching(rf"User: .+ is not authorized to perform: {action} on resource: .+"))


def put(ssm, path, **more):
    return ssm.put_parameter(Name=path, **({"Value": "v", "Type": "String"} | more))["Version"]


def test_overwrite(as_user, path):
    creator = as_user("creator")
    assert put(creator, path) == 1
    with denied("ssm:PutParameter"):
        put(creator, path, Overwrite=True)
    assert put(creator, path + "2", Overwrite=False) == 1


def test_policies(as_user, path):
    plain = as_user("plain")
    with denied("ssm:PutParameter"):
        put(plain, path, Tier="Advanced", Policies=POLICIES)
    assert put(plain, path, Tier="Advanced") == 1


def test_recursive(as_user, path):
    put(as_user("admin"), path + "/a")
    assert as_user("flat").get_parameters_by_path(Path=path)["Parameters"]
    with denied("ssm:GetParametersByPath"):
        as_user("flat").get_parameters_by_path(Path=path, Recursive=True)


def test_tags_of_the_parameter(as_user, path):
    shop = as_user("shop")
    for name, team in ((path + "/mine", "shop"), (path + "/theirs", "web")):
        put(as_user("admin"), name, Tags=[{"Key": "team", "Value": team}])
    assert shop.get_parameter(Name=path + "/mine")["Parameter"]["Value"] == "v"
    assert shop.get_parameters(Names=[path + "/mine"])["Parameters"]
    assert shop.get_parameter_history(Name=path + "/mine")["Parameters"]
    assert put(shop, path + "/mine", Overwrite=True) == 2
    for call, action in (
        (lambda: shop.get_parameter(Name=path + "/theirs"), "ssm:GetParameter"),
        (lambda: shop.get_parameters(Names=[path + "/mine", path + "/theirs"]), "ssm:GetParameters"),
        (lambda: shop.get_parameter_history(Name=path + "/theirs"), "ssm:GetParameterHistory"),
        (lambda: put(shop, path + "/theirs", Overwrite=True), "ssm:PutParameter"),
        (lambda: put(shop, path + "/new"), "ssm:PutParameter"),
        (lambda: shop.delete_parameter(Name=path + "/theirs"), "ssm:DeleteParameter"),
    ):
        with denied(action):
            call()
    shop.delete_parameter(Name=path + "/mine")


def test_tags_of_the_request(as_user, path):
    tagger = as_user("tagger")
    assert put(tagger, path, Tags=[{"Key": "team", "Value": "shop"}]) == 1
    for tags in ([{"Key": "team", "Value": "web"}], [{"Key": "team", "Value": "shop"}, {"Key": "other", "Value": ""}]):
        with denied("ssm:AddTagsToResource"):
            put(tagger, path + "/x", Tags=tags)
        with denied("ssm:AddTagsToResource"):
            tagger.add_tags_to_resource(ResourceType="Parameter", ResourceId=path, Tags=tags)
    with denied("ssm:RemoveTagsFromResource"):
        tagger.remove_tags_from_resource(ResourceType="Parameter", ResourceId=path, TagKeys=["team", "other"])
    tagger.remove_tags_from_resource(ResourceType="Parameter", ResourceId=path, TagKeys=["team"])
