"""PutParameter, GetParameter, GetParameters, DeleteParameter: whole answers, whole refusals."""

import base64
import time

import pytest

from expect import RECENTLY, Matching, body, constraint, parameter_arn, refused

EXISTS = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."

NAME_RULE = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths '
    "divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_"
)


@pytest.fixture
def path(name):
    return "/" + name


def get(parameters, name, **more):
    return parameters.get_parameter(Name=name, **more)["Parameter"]


def test_put_and_get(parameters, path):
    assert body(parameters.put_parameter(Name=path, Value="info", Type="String")) == {"Version": 1, "Tier": "Standard"}
    assert body(parameters.get_parameter(Name=path)) == {
        "Parameter": {
            "Name": path,
            "Type": "String",
            "Value": "info",
            "Version": 1,
            "LastModifiedDate": RECENTLY,
            "ARN": parameter_arn(path),
            "DataType": "text",
        }
    }


def test_a_name_without_a_slash(parameters, name):
    plain = name.replace("/", "-")
    parameters.put_parameter(Name=plain, Value="v", Type="String")
    found = get(parameters, plain)
    assert (found["Name"], found["ARN"]) == (plain, parameter_arn(plain))
    assert get(parameters, parameter_arn(plain))["Name"] == plain


def test_one_level_with_or_without_a_slash_is_one_parameter(parameters, name):
    plain = name.replace("/", "-")
    parameters.put_parameter(Name=plain, Value="v", Type="String")
    for spelled in (plain, "/" + plain):
        found = get(parameters, spelled)
        assert (found["Name"], found["ARN"], found["Value"]) == (spelled, parameter_arn(plain), "v")
    with refused("ParameterAlreadyExists", EXISTS):
        parameters.put_parameter(Name="/" + plain, Value="w", Type="String")
    assert parameters.put_parameter(Name="/" + plain, Value="w", Overwrite=True)["Version"] == 2
    assert get(parameters, parameter_arn(plain))["Name"] == plain
    assert body(parameters.delete_parameter(Name="/" + plain)) == {}
    with refused("ParameterNotFound", Matching(".+")):
        get(parameters, plain)


def test_spaces_around_a_name_do_not_count(parameters, path):
    parameters.put_parameter(Name=f"  {path} ", Value="v", Type="String")
    assert get(parameters, f" {path}  ")["Name"] == path
    assert get(parameters, f" {path}:1 ")["Selector"] == ":1"
    assert [p["Name"] for p in parameters.get_parameters_by_path(Path=f" {path[:5]} ", Recursive=True)["Parameters"]]
    assert body(parameters.delete_parameter(Name=path + " ")) == {}


def test_an_arn_names_what_is_read_and_not_what_is_written(parameters, path):
    parameters.put_parameter(Name=path, Value="v", Type="String")
    arn = parameter_arn(path)
    for call, arguments in (
        (parameters.put_parameter, {"Name": arn, "Value": "w", "Overwrite": True}),
        (parameters.delete_parameter, {"Name": arn}),
        (parameters.delete_parameters, {"Names": [arn]}),
        (parameters.label_parameter_version, {"Name": arn, "Labels": ["a"]}),
        (parameters.unlabel_parameter_version, {"Name": arn, "ParameterVersion": 1, "Labels": ["a"]}),
    ):
        with refused("ValidationException", Matching("(?s).+")):
            call(**arguments)
    assert get(parameters, arn + ":1")["Value"] == "v"


def test_by_arn(parameters, path):
    parameters.put_parameter(Name=path, Value="v", Type="String")
    found = get(parameters, parameter_arn(path))
    assert (found["Name"], found["ARN"], found["Value"]) == (path, parameter_arn(path), "v")


class TestTypes:
    def test_secure_string(self, parameters, path, value):
        parameters.put_parameter(Name=path, Value=value, Type="SecureString")
        clear = get(parameters, path, WithDecryption=True)
        assert (clear["Type"], clear["Value"]) == ("SecureString", value)
        for sealed in (get(parameters, path), get(parameters, path, WithDecryption=False)):
            assert sealed["Type"] == "SecureString"
            assert value not in sealed["Value"] and sealed["Value"] != ""

    def test_string_list(self, parameters, path):
        parameters.put_parameter(Name=path, Value="a,b,,c d", Type="StringList")
        found = get(parameters, path)
        assert (found["Type"], found["Value"]) == ("StringList", "a,b,,c d")

    def test_decryption_of_what_is_not_encrypted(self, parameters, path):
        parameters.put_parameter(Name=path, Value="plain", Type="String")
        assert get(parameters, path, WithDecryption=True)["Value"] == "plain"

    def test_a_type_is_needed_at_first(self, parameters, path):
        with refused("ValidationException", "A parameter type is required when you create a parameter."):
            parameters.put_parameter(Name=path, Value="v")

    def test_a_type_is_kept_on_overwrite(self, parameters, path, value):
        parameters.put_parameter(Name=path, Value=value, Type="SecureString")
        parameters.put_parameter(Name=path, Value=value + "2", Overwrite=True)
        found = get(parameters, path, WithDecryption=True)
        assert (found["Type"], found["Value"], found["Version"]) == ("SecureString", value + "2", 2)

    def test_data_types(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String", DataType="text")
        assert get(parameters, path)["DataType"] == "text"
        with refused(
            "ValidationException",
            "The following data type is not supported: not_ec2 (Data type names are all lowercase.)",
        ):
            parameters.put_parameter(Name=path + "2", Value="v", Type="String", DataType="not_ec2")

    @pytest.mark.parametrize(
        "data_type, good, bad",
        [
            ("aws:ec2:image", "ami-12345abcdef678901", "ami-12345abcdeEXAMPLE"),
            ("aws:region", "eu-central-1", "europe"),
            ("aws:account:id", "123456789012", "1234"),
            ("boolean", "true", "yes"),
            ("integer", "443", "443.5"),
            ("float", "-1.5e3", "1,5"),
            ("binary", "aGFsbG8=", "hallo!"),
            ("hostname", "db-1.example.com", "db_1"),
            ("email", "a.b@example.com", "a.b"),
            ("ipv4-address", "10.0.0.1", "10.0.0.256"),
            ("ipv6-address", "2001:db8::1", "10.0.0.1"),
            ("url", "https://example.com/a?b=c", "example"),
            ("json", '{"a": [1, 2]}', "{'a': 1}"),
            ("jsonc", '{"a": 1, /* c */}', "{a}"),
        ],
    )
    def test_values_of_a_data_type(self, parameters, path, data_type, good, bad):
        arguments = {"Type": "String", "DataType": data_type, "Tier": "Intelligent-Tiering"}
        put = parameters.put_parameter(Name=path, Value=good, **arguments)
        assert put["Tier"] == ("Advanced" if data_type in ("url", "json", "jsonc") else "Standard")
        assert get(parameters, path)["DataType"] == data_type
        text = f"The parameter value can't be validated against the data type {data_type}."
        for more in (arguments, {}):
            with refused("ValidationException", text):
                parameters.put_parameter(Name=path, Value=bad, Overwrite=True, **more)
        assert (get(parameters, path)["Value"], get(parameters, path)["Version"]) == (good, 1)

    def test_items_of_a_list_are_checked_one_by_one(self, parameters, path):
        parameters.put_parameter(Name=path, Value="1,2,3", Type="StringList", DataType="integer")
        with refused("ValidationException", "The parameter value can't be validated against the data type integer."):
            parameters.put_parameter(Name=path, Value="1,two,3", Overwrite=True)

    def test_changes_of_the_data_type(self, parameters, path):
        parameters.put_parameter(Name=path, Value="1", Type="String")
        assert parameters.put_parameter(Name=path, Value="1", DataType="integer", Overwrite=True)["Version"] == 2
        with refused(
            "ValidationException", "The data type of this parameter can't be changed from integer to aws:ec2:image."
        ):
            parameters.put_parameter(Name=path, Value="ami-12345abc", DataType="aws:ec2:image", Overwrite=True)
        with refused(
            "ValidationException", "The data type json is available for parameters in the advanced-parameter tier only."
        ):
            parameters.put_parameter(Name=path, Value="1", DataType="json", Overwrite=True)

    def test_the_type_may_change(self, parameters, path, value):
        """As Terraform's provider counts on: https://github.com/hashicorp/terraform-provider-aws, updateType."""
        parameters.put_parameter(Name=path, Value=value, Type="SecureString")
        parameters.put_parameter(Name=path, Value="plain", Type="String", Overwrite=True)
        assert (get(parameters, path)["Type"], get(parameters, path)["Value"]) == ("String", "plain")
        (described,) = parameters.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [path]}])["Parameters"]
        assert "KeyId" not in described
        parameters.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)
        assert get(parameters, path, WithDecryption=True)["Value"] == value

    def test_a_sealed_value_is_the_same_each_time(self, parameters, path, value):
        parameters.put_parameter(Name=path, Value=value, Type="SecureString")
        first = get(parameters, path)["Value"]
        base64.b64decode(first, validate=True)
        assert get(parameters, path)["Value"] == first
        parameters.put_parameter(Name=path, Value=value, Overwrite=True)
        assert get(parameters, path)["Value"] != first and get(parameters, path + ":1")["Value"] == first

    @pytest.mark.parametrize("text", ["Grüße, 世界 🗝️", " v ", "a\nb\r\n", '{"a":[1,2]}', "'\"\\%$`"])
    def test_text_comes_back_as_it_went(self, parameters, path, text):
        parameters.put_parameter(Name=path, Value=text, Type="String")
        assert get(parameters, path)["Value"] == text


class TestOverwrite:
    def test_only_when_asked(self, parameters, path):
        parameters.put_parameter(Name=path, Value="1", Type="String")
        for more in ({}, {"Overwrite": False}):
            with refused("ParameterAlreadyExists", EXISTS):
                parameters.put_parameter(Name=path, Value="2", Type="String", **more)
        assert get(parameters, path)["Value"] == "1"

    def test_versions_count_up(self, parameters, path):
        for version in (1, 2, 3):
            put = parameters.put_parameter(Name=path, Value=str(version), Type="String", Overwrite=True)
            assert put["Version"] == version
        assert (get(parameters, path)["Value"], get(parameters, path)["Version"]) == ("3", 3)

    def test_tags_do_not_go_with_it(self, parameters, path):
        with refused(
            "ValidationException",
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please "
            "remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource.",
        ):
            parameters.put_parameter(
                Name=path, Value="v", Type="String", Overwrite=True, Tags=[{"Key": "k", "Value": "v"}]
            )

    def test_tags_on_create(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String", Tags=[{"Key": "team", "Value": "shop"}])
        assert get(parameters, path)["Value"] == "v"


class TestVersions:
    @pytest.fixture
    def three(self, parameters, path):
        for version in (1, 2, 3):
            parameters.put_parameter(Name=path, Value=f"v{version}", Type="String", Overwrite=True)

    def test_by_number(self, parameters, path, three):
        for version in (1, 2, 3):
            found = get(parameters, f"{path}:{version}")
            assert (found["Name"], found["Value"], found["Version"]) == (path, f"v{version}", version)
            assert found["Selector"] == f":{version}"
            assert found["ARN"] == parameter_arn(path)

    def test_without_a_selector(self, parameters, path, three):
        assert "Selector" not in get(parameters, path)

    def test_a_number_of_no_version(self, parameters, path, three):
        with refused(
            "ParameterVersionNotFound",
            f"Systems Manager could not find version 4 of {path}. Verify the version and try again.",
        ):
            get(parameters, f"{path}:4")

    def test_a_label_of_no_version(self, parameters, path, three):
        with refused(
            "ParameterVersionNotFound",
            f"Systems Manager could not find version nolabel of {path}. Verify the version and try again.",
        ):
            get(parameters, f"{path}:nolabel")

    def test_a_version_of_no_parameter(self, parameters, path):
        with refused(Matching("ParameterNotFound|ParameterVersionNotFound"), Matching(".*")):
            get(parameters, f"{path}:1")

    def test_at_most_a_hundred_are_kept(self, parameters, path):
        for version in range(1, 103):
            put = parameters.put_parameter(Name=path, Value=f"v{version}", Type="String", Overwrite=True)
            assert put["Version"] == version
        assert get(parameters, f"{path}:102")["Value"] == "v102"
        assert get(parameters, f"{path}:3")["Value"] == "v3"
        for gone in (1, 2):
            with refused("ParameterVersionNotFound", Matching(".+")):
                get(parameters, f"{path}:{gone}")


class TestSizesAndTiers:
    STANDARD = (
        "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
        "value, upgrade the parameter to use the advanced-parameter tier. For more information, see "
        "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
    )

    def test_standard(self, parameters, path):
        parameters.put_parameter(Name=path, Value="x" * 4096, Type="String")
        assert get(parameters, path)["Value"] == "x" * 4096
        with refused("ValidationException", self.STANDARD):
            parameters.put_parameter(Name=path + "2", Value="x" * 4097, Type="String")

    def test_advanced(self, parameters, path):
        put = parameters.put_parameter(Name=path, Value="x" * 8192, Type="String", Tier="Advanced")
        assert body(put) == {"Version": 1, "Tier": "Advanced"}
        assert len(get(parameters, path)["Value"]) == 8192
        with refused("ValidationException", Matching("Advanced tier parameters support a maximum .* 8192 .*")):
            parameters.put_parameter(Name=path + "2", Value="x" * 8193, Type="String", Tier="Advanced")

    @pytest.mark.parametrize("size, tier", [(4096, "Standard"), (4097, "Advanced"), (8192, "Advanced")])
    def test_intelligent_tiering_picks_by_size(self, parameters, path, size, tier):
        put = parameters.put_parameter(Name=path, Value="x" * size, Type="String", Tier="Intelligent-Tiering")
        assert put["Tier"] == tier

    def test_no_way_back_from_advanced(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String", Tier="Advanced")
        with refused(
            "ValidationException",
            Matching(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
                "advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced "
                "parameter and recreate it as a standard parameter.( Be aware .+)?"
            ),
        ):
            parameters.put_parameter(Name=path, Value="v", Type="String", Tier="Standard", Overwrite=True)

    def test_an_empty_value(self, parameters, path):
        with refused("ValidationException", constraint("value", "have length greater than or equal to 1")):
            parameters.put_parameter(Name=path, Value="", Type="String")


class TestAllowedPattern:
    def test_a_value_that_fits(self, parameters, path):
        parameters.put_parameter(Name=path, Value="abc", Type="String", AllowedPattern="^[a-z]+$")
        assert get(parameters, path)["Value"] == "abc"

    def test_a_value_that_does_not(self, parameters, path):
        with refused(
            "ParameterPatternMismatchException",
            "Parameter value, cannot be validated against allowedPattern: ^[a-z]+$",
        ):
            parameters.put_parameter(Name=path, Value="ABC", Type="String", AllowedPattern="^[a-z]+$")

    def test_a_pattern_that_is_none(self, parameters, path):
        with refused("InvalidAllowedPatternException", Matching(".+")):
            parameters.put_parameter(Name=path, Value="v", Type="String", AllowedPattern="[a-z")

    @pytest.mark.parametrize(
        "pattern, good, bad",
        [
            (r"^(?=.*[A-Z])(?=.*\d)(?!.*\s).{8,}$", "Abcdefg1", "abcdefg1"),
            (r"(?i)[a-f0-9]{2}(:[a-f0-9]{2}){5}", "00:1B:44:11:3a:b7", "00:1B:44:11:3a"),
            (r"(['\"]).*\1", "'quoted'", "'quoted\""),
            (r"a|b", "a", "ab"),
        ],
    )
    def test_expressions_as_java_has_them(self, parameters, path, pattern, good, bad):
        parameters.put_parameter(Name=path, Value=good, Type="String", AllowedPattern=pattern)
        with refused(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        ):
            parameters.put_parameter(Name=path, Value=bad, AllowedPattern=pattern, Overwrite=True)

    def test_it_holds_until_it_is_replaced(self, parameters, path):
        parameters.put_parameter(Name=path, Value="abc", Type="String", AllowedPattern="[a-z]+")
        with refused("ParameterPatternMismatchException", Matching(".+")):
            parameters.put_parameter(Name=path, Value="123", Overwrite=True)
        parameters.put_parameter(Name=path, Value="123", Overwrite=True, AllowedPattern="")
        parameters.put_parameter(Name=path, Value="?", Overwrite=True)
        history = parameters.get_parameter_history(Name=path)["Parameters"]
        assert [entry.get("AllowedPattern") for entry in history] == ["[a-z]+", None, None]

    @pytest.mark.parametrize("pattern", ["^(?=(a+)+$)(a+)+$", "(a|a?)+$", "(a+)+\\1!!", "(?:a*)*b|(?=c)(.*)*"])
    def test_hostile_patterns_are_answered_in_time(self, parameters, path, pattern):
        begun = time.monotonic()
        with pytest.raises(parameters.exceptions.ClientError) as caught:
            parameters.put_parameter(Name=path, Value="a" * 4000 + "!", Type="String", AllowedPattern=pattern)
        assert caught.value.response["Error"]["Code"] in (
            "InvalidAllowedPatternException", "ParameterPatternMismatchException",
        )  # fmt: skip
        assert time.monotonic() - begun < 10

    def test_a_hostile_pattern_is_answered_at_once(self, parameters, path):
        with pytest.raises(parameters.exceptions.ClientError) as caught:
            parameters.put_parameter(Name=path, Value="a" * 4000 + "!", Type="String", AllowedPattern="^(a|a?)+$")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


class TestNames:
    @pytest.mark.parametrize("tail", ["", "/x", "/a.b-c_d", "/A/b/C/1"])
    def test_names_that_are_fine(self, parameters, path, tail):
        parameters.put_parameter(Name=path + tail, Value="v", Type="String")
        assert get(parameters, path + tail)["Name"] == path + tail

    @pytest.mark.parametrize("bad", ["with blank", "/with blank", "/a//b", "/a$b", "/a*b", "/ümlaut", "/a\nb", "a@b"])
    def test_names_that_are_refused(self, parameters, bad):
        with refused("ValidationException", Matching("(?s).+")):
            parameters.put_parameter(Name=bad, Value="v", Type="String")

    @pytest.mark.parametrize("reserved", ["ssm-mine", "SSMmine", "/ssmmine", "aws-mine", "awsmine", "/aws", "/AWSmine"])
    def test_reserved_prefixes_of_one_level(self, parameters, reserved):
        with refused(
            "ValidationException", 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
        ):
            parameters.put_parameter(Name=reserved, Value="v", Type="String")

    @pytest.mark.parametrize("reserved", ["/ssm/mine", "/SSM/mine", "/ssmmine/x", "ssm/x", "aws/x"])
    def test_reserved_prefixes_of_paths(self, parameters, reserved):
        with refused("ValidationException", NAME_RULE):
            parameters.put_parameter(Name=reserved, Value="v", Type="String")

    @pytest.mark.parametrize("reserved", ["/aws/mine", "/AWS/mine", "/awsmine/x/y"])
    def test_the_hierarchy_of_aws(self, parameters, reserved):
        with refused("AccessDeniedException", f"No access to reserved parameter name: {reserved[1:]}."):
            parameters.put_parameter(Name=reserved, Value="v", Type="String")

    def test_a_path_begins_with_a_slash(self, parameters, name):
        with refused("ValidationException", "Parameter name must be a fully qualified name."):
            parameters.put_parameter(Name=name + "/x", Value="v", Type="String")

    def test_fifteen_levels(self, parameters, name):
        top = "/" + name.replace("/", "-")
        parameters.put_parameter(Name=top + "/l" * 14, Value="v", Type="String")
        with refused("HierarchyLevelLimitExceededException", Matching(".+")):
            parameters.put_parameter(Name=top + "/l" * 15, Value="v", Type="String")

    def test_the_longest_name(self, parameters, name):
        room = 1011 - len(parameter_arn("/"))
        long = "/" + name.replace("/", "-").ljust(room, "x")
        parameters.put_parameter(Name=long, Value="v", Type="String")
        assert get(parameters, long)["Name"] == long
        with refused("ValidationException", constraint("name", f"have length less than or equal to {room + 1}")):
            parameters.put_parameter(Name=long + "y", Value="v", Type="String")
        with refused("ValidationException", constraint("name", "have length less than or equal to 2048")):
            parameters.put_parameter(Name="/" + "y" * 2048, Value="v", Type="String")

    def test_case_counts(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        with refused("ParameterNotFound", f"Parameter {path.upper()} not found."):
            get(parameters, path.upper())


class TestGetParameters:
    @pytest.fixture
    def two(self, parameters, path, value):
        parameters.put_parameter(Name=path + "/a", Value="va", Type="String")
        parameters.put_parameter(Name=path + "/b", Value=value, Type="SecureString")

    def test_found_and_not_found(self, parameters, path, value, two):
        answer = body(
            parameters.get_parameters(Names=[path + "/b", path + "/x", path + "/a"], WithDecryption=True)
        )
        assert answer["Parameters"] == [
            {
                "Name": path + "/a", "Type": "String", "Value": "va", "Version": 1, "LastModifiedDate": RECENTLY,
                "ARN": parameter_arn(path + "/a"), "DataType": "text",
            },
            {
                "Name": path + "/b", "Type": "SecureString", "Value": value, "Version": 1,
                "LastModifiedDate": RECENTLY, "ARN": parameter_arn(path + "/b"), "DataType": "text",
            },
        ]
        assert answer["InvalidParameters"] == [path + "/x"]

    def test_nothing_found(self, parameters, path):
        answer = body(parameters.get_parameters(Names=[path + "/y", path + "/x"]))
        assert answer["Parameters"] == [] and sorted(answer["InvalidParameters"]) == [path + "/x", path + "/y"]

    def test_without_decryption(self, parameters, path, value, two):
        (found,) = parameters.get_parameters(Names=[path + "/b"])["Parameters"]
        assert value not in found["Value"]

    def test_a_name_given_twice_counts_once(self, parameters, path, two):
        names = [path + "/a", path + "/x", path + "/a", path + "/x"]
        answer = parameters.get_parameters(Names=names)
        assert [found["Name"] for found in answer["Parameters"]] == [path + "/a"]
        assert answer["InvalidParameters"] == [path + "/x"]

    def test_in_order_of_name(self, parameters, path):
        for tail in ("b", "a", "c"):
            parameters.put_parameter(Name=f"{path}/{tail}", Value="v", Type="String")
        answer = parameters.get_parameters(Names=[f"{path}/{tail}" for tail in ("c", "b", "a")])
        assert [found["Name"] for found in answer["Parameters"]] == [f"{path}/{tail}" for tail in ("a", "b", "c")]

    def test_selectors(self, parameters, path, two):
        parameters.put_parameter(Name=path + "/a", Value="va2", Overwrite=True)
        answer = parameters.get_parameters(Names=[path + "/a:1", path + "/b:9"])
        (found,) = answer["Parameters"]
        assert (found["Name"], found["Selector"], found["Value"]) == (path + "/a", ":1", "va")
        assert answer["InvalidParameters"] == [path + "/b:9"]

    def test_by_arn(self, parameters, path, two):
        (found,) = parameters.get_parameters(Names=[parameter_arn(path + "/a")])["Parameters"]
        assert (found["Name"], found["Value"]) == (path + "/a", "va")

    def test_ten_and_not_eleven(self, parameters, path):
        names = [f"{path}/{number}" for number in range(11)]
        assert len(parameters.get_parameters(Names=names[:10])["InvalidParameters"]) == 10
        with refused("ValidationException", constraint("names", "have length less than or equal to 10")):
            parameters.get_parameters(Names=names)


class TestDelete:
    def test_gone(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        assert body(parameters.delete_parameter(Name=path)) == {}
        with refused("ParameterNotFound", f"Parameter {path} not found."):
            get(parameters, path)

    def test_of_nothing(self, parameters, path):
        with refused("ParameterNotFound", f"Parameter {path} not found."):
            parameters.delete_parameter(Name=path)
        with refused("ParameterNotFound", f"Parameter {path} not found."):
            get(parameters, path)

    def test_a_name_that_comes_back_begins_at_one(self, parameters, path):
        for value in ("1", "2"):
            parameters.put_parameter(Name=path, Value=value, Type="String", Overwrite=True)
        parameters.delete_parameter(Name=path)
        assert parameters.put_parameter(Name=path, Value="3", Type="String")["Version"] == 1
        with refused("ParameterVersionNotFound", Matching(".+")):
            get(parameters, f"{path}:2")
