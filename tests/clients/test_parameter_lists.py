"""GetParametersByPath, DescribeParameters, GetParameterHistory: filters, pages, whole answers, whole refusals."""

import pytest

from broker import ACCOUNT, REGION
from expect import RECENTLY, Matching, body, constraint, parameter_arn, refused

ROOT = f"arn:aws:iam::{ACCOUNT}:"
BAD_PATH = (
    "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "
    '"/". It can\'t be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the '
    "following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if "
    'specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.'
)
BAD_TOKEN = "The specified token isn't valid."


@pytest.fixture
def path(name):
    return "/" + name


def pages(call, **arguments):
    """The pages of a list, by its own tokens."""
    found = []
    while True:
        answer = body(call(**arguments))
        found.append(answer["Parameters"])
        if "NextToken" not in answer:
            return found
        arguments["NextToken"] = answer["NextToken"]


def names(call, **arguments):
    return [entry["Name"] for page in pages(call, **arguments) for entry in page]


@pytest.fixture
def tree(parameters, path, value):
    """/…/a, /…/b (SecureString), /…/b/c, /…/b/d/e, /…/f (tagged) and a neighbour that only begins alike."""
    put = parameters.put_parameter
    put(Name=path + "/a", Value="va", Type="String")
    put(Name=path + "/b", Value=value, Type="SecureString", Description="the b")
    put(Name=path + "/b/c", Value="v,c", Type="StringList")
    put(Name=path + "/b/d/e", Value="ve", Type="String")
    put(Name=path + "/f", Value="f" * 5000, Type="String", Tier="Advanced", Tags=[{"Key": "team", "Value": "shop"}])
    put(Name=path + "-neighbour", Value="n", Type="String")
    return path


class TestByPath:
    def test_one_level(self, parameters, tree, value):
        answer = body(parameters.get_parameters_by_path(Path=tree, WithDecryption=True))
        assert [entry["Name"] for entry in answer["Parameters"]] == [tree + "/a", tree + "/b", tree + "/f"]
        assert answer["Parameters"][1] == {
            "Name": tree + "/b",
            "Type": "SecureString",
            "Value": value,
            "Version": 1,
            "LastModifiedDate": RECENTLY,
            "ARN": parameter_arn(tree + "/b"),
            "DataType": "text",
        }
        assert "NextToken" not in answer

    def test_all_levels(self, parameters, tree):
        below = [tree + name for name in ("/a", "/b", "/b/c", "/b/d/e", "/f")]
        for path in (tree, tree + "/"):
            assert names(parameters.get_parameters_by_path, Path=path, Recursive=True) == below
        assert names(parameters.get_parameters_by_path, Path=tree + "/b/d", Recursive=True) == [tree + "/b/d/e"]

    def test_without_decryption(self, parameters, tree, value):
        found = parameters.get_parameters_by_path(Path=tree)["Parameters"][1]
        assert found["Type"] == "SecureString" and value not in found["Value"]

    def test_nothing_there(self, parameters, path):
        assert body(parameters.get_parameters_by_path(Path=path, Recursive=True)) == {"Parameters": []}

    def test_the_top(self, parameters, tree, name):
        plain = name.replace("/", "-")
        parameters.put_parameter(Name=plain, Value="v", Type="String")
        found = names(parameters.get_parameters_by_path, Path="/", Recursive=True)
        assert {plain, tree + "/a", tree + "/b/d/e"} <= set(found) and len(found) == len(set(found))
        found = names(parameters.get_parameters_by_path, Path="/")
        assert plain in found and not any(entry.count("/") > 1 for entry in found)

    @pytest.mark.parametrize("recursive", [True, False])
    def test_pages(self, parameters, path, recursive):
        every = [f"{path}/{number:02}" for number in range(23)]
        for entry in every:
            parameters.put_parameter(Name=entry, Value="v", Type="String")
            if entry[-1] in "37":
                parameters.put_parameter(Name=entry + "/deeper", Value="v", Type="String")
        wanted = sorted(every + ([entry + "/deeper" for entry in every if entry[-1] in "37"] if recursive else []))
        for size in (1, 4, 10, None):
            more = {"MaxResults": size} if size else {}
            found = pages(parameters.get_parameters_by_path, Path=path, Recursive=recursive, **more)
            assert [entry["Name"] for page in found for entry in page] == wanted
            assert all(len(page) == (size or 10) for page in found[:-1]) and found[-1]

    def test_what_goes_in_between(self, parameters, path):
        for number in range(4):
            parameters.put_parameter(Name=f"{path}/{number}", Value="v", Type="String")
        first = parameters.get_parameters_by_path(Path=path, MaxResults=2)
        parameters.delete_parameter(Name=f"{path}/1")
        second = parameters.get_parameters_by_path(Path=path, MaxResults=2, NextToken=first["NextToken"])
        assert [entry["Name"] for entry in second["Parameters"]] == [f"{path}/2", f"{path}/3"]

    def test_tokens_of_other_lists(self, parameters, tree):
        token = parameters.get_parameters_by_path(Path=tree, MaxResults=1)["NextToken"]
        for arguments in (
            {"Path": tree + "/b"},
            {"Path": tree, "Recursive": True},
            {"Path": tree, "ParameterFilters": [{"Key": "Type", "Values": ["String"]}]},
        ):
            with refused("InvalidNextToken", BAD_TOKEN):
                parameters.get_parameters_by_path(NextToken=token, **arguments)
        for garbage in ("garbage", "AAAA", token[:-4] + "AAA="):
            with refused("InvalidNextToken", BAD_TOKEN):
                parameters.get_parameters_by_path(Path=tree, NextToken=garbage)

    def test_filters(self, parameters, tree):
        def found(*filters):
            return [
                name.removeprefix(tree)
                for name in names(
                    parameters.get_parameters_by_path, Path=tree, Recursive=True, ParameterFilters=list(filters)
                )
            ]

        assert found({"Key": "Type", "Values": ["String"]}) == ["/a", "/b/d/e", "/f"]
        assert found({"Key": "Type", "Option": "BeginsWith", "Values": ["StringList", "SecureString"]}) == ["/b", "/b/c"]
        assert found({"Key": "KeyId", "Values": ["alias/aws/ssm"]}) == ["/b"]
        assert found({"Key": "KeyId", "Option": "BeginsWith", "Values": ["alias/"]}) == ["/b"]
        assert found({"Key": "Label", "Values": ["prod"]}) == []

    def test_by_label(self, parameters, path):
        for version in (1, 2, 3):
            parameters.put_parameter(Name=path + "/x", Value=f"v{version}", Type="String", Overwrite=True)
        parameters.label_parameter_version(Name=path + "/x", ParameterVersion=2, Labels=["prod"])
        parameters.put_parameter(Name=path + "/y", Value="v", Type="String")
        answer = parameters.get_parameters_by_path(
            Path=path, ParameterFilters=[{"Key": "Label", "Option": "Equals", "Values": ["prod"]}]
        )
        assert [(entry["Name"], entry["Value"], entry["Version"]) for entry in answer["Parameters"]] == [
            (path + "/x", "v2", 2)
        ]

    @pytest.mark.parametrize("key", ["Name", "Path", "Tier", "DataType", "tag:team"])
    def test_filters_that_it_does_not_take(self, parameters, path, key):
        with refused(
            "InvalidFilterKey",
            f"The following filter key is not valid: {key}. Valid filter keys include: [Type, KeyId, Label].",
        ):
            parameters.get_parameters_by_path(Path=path, ParameterFilters=[{"Key": key, "Values": ["x"]}])

    @pytest.mark.parametrize("bad", ["a", "a/b", "//", "/a b", "/a$", "/a//b", "arn:aws:ssm:eu-central-1:1:parameter/a"])
    def test_paths_that_are_refused(self, parameters, bad):
        with refused("ValidationException", BAD_PATH):
            parameters.get_parameters_by_path(Path=bad)

    def test_at_most_ten(self, parameters, path):
        with refused("ValidationException", constraint("maxResults", "have value less than or equal to 10")):
            parameters.get_parameters_by_path(Path=path, MaxResults=11)


class TestDescribe:
    def found(self, parameters, *filters, **more):
        return names(parameters.describe_parameters, ParameterFilters=list(filters), **more)

    def test_whole_answers(self, parameters, tree):
        answer = body(
            parameters.describe_parameters(
                ParameterFilters=[{"Key": "Name", "Values": [tree + "/b", tree + "/f"]}]
            )
        )
        assert answer == {
            "Parameters": [
                {
                    "Name": tree + "/b",
                    "ARN": parameter_arn(tree + "/b"),
                    "Type": "SecureString",
                    "KeyId": "alias/aws/ssm",
                    "LastModifiedDate": RECENTLY,
                    "LastModifiedUser": Matching(ROOT + ".+"),
                    "Description": "the b",
                    "Version": 1,
                    "Tier": "Standard",
                    "Policies": [],
                    "DataType": "text",
                },
                {
                    "Name": tree + "/f",
                    "ARN": parameter_arn(tree + "/f"),
                    "Type": "String",
                    "LastModifiedDate": RECENTLY,
                    "LastModifiedUser": Matching(ROOT + ".+"),
                    "Version": 1,
                    "Tier": "Advanced",
                    "Policies": [],
                    "DataType": "text",
                },
            ]
        }

    def test_names(self, parameters, tree):
        assert self.found(parameters, {"Key": "Name", "Option": "Equals", "Values": [tree + "/b"]}) == [tree + "/b"]
        assert self.found(parameters, {"Key": "Name", "Values": [tree[1:] + "/b"]}) == [tree + "/b"]
        begins = self.found(parameters, {"Key": "Name", "Option": "BeginsWith", "Values": [tree + "/b"]})
        assert begins == [tree + "/b", tree + "/b/c", tree + "/b/d/e"]
        contains = self.found(parameters, {"Key": "Name", "Option": "Contains", "Values": [tree[3:] + "-neigh"]})
        assert contains == [tree + "-neighbour"]

    def test_pages_of_names(self, parameters, tree):
        wanted = [tree + name for name in ("/a", "/b", "/f")]
        filter = {"Key": "Name", "Values": [*reversed(wanted), tree + "/none", wanted[0][1:]]}
        for size in (1, 2, 3, 50):
            assert self.found(parameters, filter, MaxResults=size) == wanted
        assert self.found(parameters, filter, {"Key": "Tier", "Values": ["Advanced"]}, MaxResults=1) == [tree + "/f"]

    def test_paths(self, parameters, tree):
        one = [tree + "/a", tree + "/b", tree + "/f"]
        assert self.found(parameters, {"Key": "Path", "Values": [tree]}) == one
        assert self.found(parameters, {"Key": "Path", "Option": "OneLevel", "Values": [tree + "/"]}) == one
        every = self.found(parameters, {"Key": "Path", "Option": "Recursive", "Values": [tree]})
        assert every == [tree + name for name in ("/a", "/b", "/b/c", "/b/d/e", "/f")]

    @pytest.mark.parametrize(
        "filter, below",
        [
            ({"Key": "Type", "Values": ["StringList"]}, ["/b/c"]),
            ({"Key": "KeyId", "Option": "BeginsWith", "Values": ["alias/aws"]}, ["/b"]),
            ({"Key": "Tier", "Values": ["Advanced"]}, ["/f"]),
            ({"Key": "DataType", "Values": ["aws:ec2:image"]}, []),
            ({"Key": "tag:team", "Values": ["shop", "other"]}, ["/f"]),
            ({"Key": "tag:team", "Option": "BeginsWith", "Values": ["sh"]}, ["/f"]),
            ({"Key": "tag:team"}, ["/f"]),
            ({"Key": "tag:none"}, []),
        ],
        ids=lambda value: value["Key"] if isinstance(value, dict) else "",
    )
    def test_the_others(self, parameters, tree, filter, below):
        under = {"Key": "Path", "Option": "Recursive", "Values": [tree]}
        assert self.found(parameters, under, filter) == [tree + name for name in below]

    @pytest.mark.parametrize("size", [1, 2, 50])
    def test_orders_of_their_own(self, parameters, name, size):
        """Without a path, a list goes by the values that were asked for: each parameter once, whatever the page's size."""
        key = name.replace("/", "-")
        of = {"blue": ["/z", "/a"], "blueish": ["/m"], "green": ["/b"]}
        for value, tails in of.items():
            for tail in tails:
                parameters.put_parameter(
                    Name=f"/{name}{tail}", Value="v", Type="String", Tags=[{"Key": key, "Value": value}]
                )
        parameters.put_parameter(Name=f"/{name}/none", Value="v", Type="String", Tags=[{"Key": key + "2", "Value": "blue"}])

        def found(**more):
            listed = self.found(parameters, {"Key": f"tag:{key}"} | more, MaxResults=size)
            return sorted(entry.removeprefix(f"/{name}") for entry in listed)

        assert found() == ["/a", "/b", "/m", "/z"]
        assert found(Values=["blue"]) == ["/a", "/z"]
        assert found(Option="BeginsWith", Values=["blue"]) == ["/a", "/m", "/z"]
        assert found(Option="BeginsWith", Values=["blue", "bluei", "g"]) == ["/a", "/b", "/m", "/z"]
        assert found(Values=["green", "blueish", "red"]) == ["/b", "/m"]

    def test_what_goes_between_pages_of_another_order(self, parameters, name):
        key = name.replace("/", "-")
        path = [f"/{name}/{number}" for number in range(6)]
        for entry in path:
            parameters.put_parameter(Name=entry, Value="v", Type="String", Tags=[{"Key": key, "Value": "v"}])
        by_tag = {"ParameterFilters": [{"Key": f"tag:{key}", "Values": ["v"]}], "MaxResults": 2}
        first = parameters.describe_parameters(**by_tag)
        assert [entry["Name"] for entry in first["Parameters"]] == path[:2]
        parameters.delete_parameter(Name=path[1])
        parameters.remove_tags_from_resource(ResourceType="Parameter", ResourceId=path[2], TagKeys=[key])
        new = f"/{name}/4a"
        parameters.put_parameter(Name=new, Value="v", Type="String", Tags=[{"Key": key, "Value": "v"}])
        second = parameters.describe_parameters(NextToken=first["NextToken"], **by_tag)
        third = parameters.describe_parameters(NextToken=second["NextToken"], **by_tag)
        assert [entry["Name"] for page in (second, third) for entry in page["Parameters"]] == [*path[3:5], new, path[5]]
        assert "NextToken" not in third
        other = by_tag | {"ParameterFilters": [{"Key": f"tag:{key}", "Option": "BeginsWith", "Values": ["v"]}]}
        with refused("InvalidNextToken", BAD_TOKEN):
            parameters.describe_parameters(NextToken=first["NextToken"], **other)

    def test_the_order_follows_changes(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        prefix = {"Key": "Name", "Option": "BeginsWith", "Values": [path]}

        def is_listed(key, value):
            return self.found(parameters, {"Key": key, "Values": [value]}, prefix) == [path]

        assert is_listed("Type", "String") and is_listed("Tier", "Standard") and is_listed("DataType", "text")
        parameters.put_parameter(Name=path, Value="7", Type="SecureString", Tier="Advanced", DataType="integer", Overwrite=True)
        for key, value in (("Type", "SecureString"), ("Tier", "Advanced"), ("DataType", "integer"), ("KeyId", "alias/aws/ssm")):
            assert is_listed(key, value), key
        for key, value in (("Type", "String"), ("Tier", "Standard"), ("DataType", "text")):
            assert not is_listed(key, value), key
        parameters.delete_parameter(Name=path)
        assert not is_listed("Type", "SecureString")

    def test_the_older_filters(self, parameters, tree):
        older = [{"Key": "Name", "Values": [tree + "/b", tree + "/f"]}, {"Key": "Type", "Values": ["String"]}]
        assert names(parameters.describe_parameters, Filters=older) == [tree + "/b/d/e", tree + "/f"]
        with refused("ValidationException", "You can use either Filters or ParameterFilters in a single request."):
            parameters.describe_parameters(Filters=older, ParameterFilters=[{"Key": "Name", "Values": ["a"]}])

    def test_pages(self, parameters, path):
        every = [f"{path}/{number:02}" for number in range(53)]
        for entry in every:
            parameters.put_parameter(Name=entry, Value="v", Type="String")
        under = [{"Key": "Path", "Values": [path]}]
        for size, first in ((None, 50), (50, 50), (7, 7)):
            more = {"MaxResults": size} if size else {}
            found = pages(parameters.describe_parameters, ParameterFilters=under, **more)
            assert [entry["Name"] for page in found for entry in page] == every and len(found[0]) == first
        with refused("InvalidNextToken", BAD_TOKEN):
            parameters.describe_parameters(NextToken="garbage")

    def test_shared_by_other_accounts(self, parameters, tree):
        assert body(parameters.describe_parameters(Shared=True)) == {"Parameters": []}

    @pytest.mark.parametrize(
        "filters, code, text",
        [
            (
                [{"Key": "Name"}],
                "InvalidFilterValue",
                "The following filter values are missing : null for filter key Name.",
            ),
            (
                [{"Key": "Label", "Values": ["x"]}],
                "InvalidFilterKey",
                Matching(r"The following filter key is not valid: Label\. Valid filter keys include: \[Path, Name, .+\]\."),
            ),
            (
                [{"Key": "Name", "Values": ["x"]}, {"Key": "Name", "Values": ["y"]}],
                "InvalidFilterKey",
                "The following filter is duplicated in the request: Name. A request can contain only one occurrence of "
                "a specific filter.",
            ),
            (
                [{"Key": "Path", "Option": "Equals", "Values": ["/x"]}],
                "InvalidFilterOption",
                "The following filter option is not valid: Equals. Valid options include: [Recursive, OneLevel].",
            ),
            (
                [{"Key": "Tier", "Option": "Contains", "Values": ["Standard"]}],
                "InvalidFilterOption",
                "The following filter option is not valid: Contains. Valid options include: [BeginsWith, Equals].",
            ),
            (
                [{"Key": "Tier", "Values": ["Extra"]}],
                "InvalidFilterOption",
                "The following filter value is not valid: Extra. Valid values include: [Standard, Advanced, "
                "Intelligent-Tiering].",
            ),
            (
                [{"Key": "Path", "Values": ["/aws/x"]}],
                "ValidationException",
                'Filters for common parameters can\'t be prefixed with "aws" or "ssm" (case-insensitive). When using '
                "global parameters, please specify within a global namespace.",
            ),
            ([{"Key": "Path", "Values": ["x//y"]}], "ValidationException", BAD_PATH),
        ],
    )
    def test_refusals(self, parameters, filters, code, text):
        with refused(code, text):
            parameters.describe_parameters(ParameterFilters=filters)


class TestHistory:
    def test_whole_answers(self, parameters, path, value):
        parameters.put_parameter(Name=path, Value=value, Type="SecureString", Description="one")
        parameters.put_parameter(Name=path, Value=value + "2", Overwrite=True, AllowedPattern=".+")
        parameters.label_parameter_version(Name=path, ParameterVersion=1, Labels=["first"])
        common = {
            "Name": path,
            "Type": "SecureString",
            "KeyId": "alias/aws/ssm",
            "LastModifiedDate": RECENTLY,
            "LastModifiedUser": Matching(ROOT + ".+"),
            "Description": "one",
            "Tier": "Standard",
            "Policies": [],
            "DataType": "text",
        }
        assert body(parameters.get_parameter_history(Name=path, WithDecryption=True)) == {
            "Parameters": [
                {**common, "Value": value, "Version": 1, "Labels": ["first"]},
                {**common, "Value": value + "2", "Version": 2, "Labels": [], "AllowedPattern": ".+"},
            ]
        }
        sealed = parameters.get_parameter_history(Name=path)["Parameters"]
        assert all(value not in entry["Value"] for entry in sealed)

    def test_pages(self, parameters, path):
        for version in range(1, 8):
            parameters.put_parameter(Name=path, Value=f"v{version}", Type="String", Overwrite=True)
        found = pages(parameters.get_parameter_history, Name=path, MaxResults=3)
        assert [[entry["Value"] for entry in page] for page in found] == [
            ["v1", "v2", "v3"],
            ["v4", "v5", "v6"],
            ["v7"],
        ]
        token = parameters.get_parameter_history(Name=path, MaxResults=3)["NextToken"]
        parameters.put_parameter(Name=path + "2", Value="v", Type="String")
        for arguments in ({"Name": path + "2", "NextToken": token}, {"Name": path, "NextToken": "garbage"}):
            with refused("InvalidNextToken", BAD_TOKEN):
                parameters.get_parameter_history(**arguments)
        with refused("ValidationException", constraint("maxResults", "have value less than or equal to 50")):
            parameters.get_parameter_history(Name=path, MaxResults=51)

    def test_by_arn_and_of_nothing(self, parameters, path):
        with refused("ParameterNotFound", f"Parameter {path} not found."):
            parameters.get_parameter_history(Name=path)
        parameters.put_parameter(Name=path, Value="v", Type="String")
        assert len(parameters.get_parameter_history(Name=parameter_arn(path))["Parameters"]) == 1


@pytest.fixture(scope="module")
def paths(parameters_as):
    for name in ("/paths/open/a", "/paths/open/deep/b", "/paths/closed"):
        parameters_as("admin").put_parameter(Name=name, Value="v", Type="String")


class TestPermissions:
    def test_by_path_is_decided_on_the_path(self, parameters_as, paths):
        reader = parameters_as("lister")
        for path in ("/paths/open", "/paths/open/", "/paths/open/deep"):
            assert reader.get_parameters_by_path(Path=path, Recursive=True)["Parameters"]
        for path in ("/paths", "/paths/open-not", "/"):
            resource = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{path}"
            with refused(
                "AccessDeniedException",
                f"User: arn:aws:iam::{ACCOUNT}:user/lister is not authorized to perform: ssm:GetParametersByPath "
                f"on resource: {resource} because no identity-based policy allows the ssm:GetParametersByPath action",
            ):
                reader.get_parameters_by_path(Path=path, Recursive=True)

    def test_a_list_is_decided_on_the_whole(self, parameters_as):
        with refused(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:user/nobody is not authorized to perform: ssm:DescribeParameters on "
            f"resource: arn:aws:ssm:{REGION}:{ACCOUNT}:* because no identity-based policy allows the "
            "ssm:DescribeParameters action",
        ):
            parameters_as("nobody").describe_parameters()
