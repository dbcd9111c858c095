"""DeleteParameters, labels and tags of parameters: whole answers, whole refusals."""

import pytest

from expect import Matching, body, constraint, parameter_arn, refused

BAD_TYPE = (
    "The resource type isn't valid. For example, if you are attempting to tag an EC2 instance, the instance must be a "
    "registered managed node."
)


@pytest.fixture
def path(name):
    return "/" + name


@pytest.fixture
def three(parameters, path):
    """A parameter with three versions."""
    for version in (1, 2, 3):
        parameters.put_parameter(Name=path, Value=f"v{version}", Type="String", Overwrite=True)
    return path


def labels(parameters, name):
    return [entry["Labels"] for entry in parameters.get_parameter_history(Name=name)["Parameters"]]


class TestDeleteParameters:
    def test_found_and_not_found(self, parameters, path):
        for tail in ("/a", "/b", "/c"):
            parameters.put_parameter(Name=path + tail, Value="v", Type="String")
        answer = body(
            parameters.delete_parameters(Names=[path + "/b", path + "/x", path + "/a", path + "/b", path + "/c:1"])
        )
        assert answer == {
            "DeletedParameters": [path + "/b", path + "/a"],
            "InvalidParameters": [path + "/x", path + "/c:1"],
        }
        left = parameters.get_parameters_by_path(Path=path)["Parameters"]
        assert [entry["Name"] for entry in left] == [path + "/c"]

    def test_at_most_ten(self, parameters, path):
        with refused("ValidationException", constraint("names", "have length less than or equal to 10")):
            parameters.delete_parameters(Names=[f"{path}/{number}" for number in range(11)])

    def test_each_has_to_be_allowed(self, parameters_as):
        admin = parameters_as("admin")
        admin.put_parameter(Name="/paths/open/kept", Value="v", Type="String")
        with refused("AccessDeniedException", Matching(".+ssm:DeleteParameters on resource: .+/paths/closed because .+")):
            parameters_as("lister").delete_parameters(Names=["/paths/open/kept", "/paths/closed"])
        assert admin.get_parameter(Name="/paths/open/kept")["Parameter"]["Value"] == "v"
        gone = parameters_as("lister").delete_parameters(Names=["/paths/open/kept"])
        assert gone["DeletedParameters"] == ["/paths/open/kept"]


class TestLabels:
    def test_the_newest_and_a_chosen_version(self, parameters, three):
        assert body(parameters.label_parameter_version(Name=three, Labels=["beta"])) == {
            "InvalidLabels": [],
            "ParameterVersion": 3,
        }
        chosen = parameters.label_parameter_version(Name=three, ParameterVersion=1, Labels=["prod", "live"])
        assert chosen["ParameterVersion"] == 1
        assert labels(parameters, three) == [["prod", "live"], [], ["beta"]]
        found = parameters.get_parameter(Name=three + ":prod")["Parameter"]
        assert (found["Value"], found["Version"], found["Selector"]) == ("v1", 1, ":prod")

    def test_a_label_moves(self, parameters, three):
        parameters.label_parameter_version(Name=three, ParameterVersion=1, Labels=["prod", "live"])
        parameters.label_parameter_version(Name=three, ParameterVersion=2, Labels=["prod"])
        assert labels(parameters, three) == [["live"], ["prod"], []]

    def test_names_that_are_refused(self, parameters, three):
        bad = ["1st", "aws-x", "SSMx", "a b", "a/b"]
        answer = parameters.label_parameter_version(Name=three, Labels=["good", *bad])
        assert body(answer) == {"InvalidLabels": bad, "ParameterVersion": 3}
        assert labels(parameters, three)[-1] == ["good"]
        with refused("ValidationException", Matching("1 validation error detected: Value .+ at 'labels' failed .+ 100.+")):
            parameters.label_parameter_version(Name=three, Labels=["x" * 101])

    def test_ten_and_no_more(self, parameters, three):
        parameters.label_parameter_version(Name=three, Labels=[f"l{number}" for number in range(10)])
        with refused(
            "ParameterVersionLabelLimitExceeded",
            "A parameter version can have maximum 10 labels.Move one or more labels to another version and try again.",
        ):
            parameters.label_parameter_version(Name=three, Labels=["more"])

    def test_off_again(self, parameters, three):
        parameters.label_parameter_version(Name=three, ParameterVersion=2, Labels=["prod", "live"])
        answer = parameters.unlabel_parameter_version(Name=three, ParameterVersion=2, Labels=["prod", "none"])
        assert body(answer) == {"RemovedLabels": ["prod"], "InvalidLabels": ["none"]}
        assert labels(parameters, three) == [[], ["live"], []]

    def test_nothing_to_label(self, parameters, three):
        gone = f"Systems Manager could not find version 4 of {three}. Verify the version and try again."
        with refused("ParameterVersionNotFound", gone):
            parameters.label_parameter_version(Name=three, ParameterVersion=4, Labels=["a"])
        with refused("ParameterVersionNotFound", gone):
            parameters.unlabel_parameter_version(Name=three, ParameterVersion=4, Labels=["a"])
        for call in (parameters.label_parameter_version, parameters.unlabel_parameter_version):
            with refused("ParameterNotFound", f"Parameter {three}/x not found."):
                call(Name=three + "/x", ParameterVersion=1, Labels=["a"])

    def test_a_labelled_version_is_not_dropped(self, parameters, path):
        for version in range(100):
            parameters.put_parameter(Name=path, Value=f"v{version}", Type="String", Overwrite=True)
        parameters.label_parameter_version(Name=path, ParameterVersion=1, Labels=["prod"])
        with refused("ParameterMaxVersionLimitExceeded", Matching(f"You attempted .+ of {path} .+ Version 1, the oldest .+")):
            parameters.put_parameter(Name=path, Value="more", Type="String", Overwrite=True)
        parameters.label_parameter_version(Name=path, Labels=["prod"])
        assert parameters.put_parameter(Name=path, Value="more", Type="String", Overwrite=True)["Version"] == 101


class TestTags:
    def tags(self, parameters, name):
        return parameters.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]

    def test_add_overwrite_remove(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String", Tags=[{"Key": "team", "Value": "shop"}])
        resource = {"ResourceType": "Parameter", "ResourceId": path}
        added = parameters.add_tags_to_resource(
            **resource, Tags=[{"Key": "team", "Value": "web"}, {"Key": "empty", "Value": ""}]
        )
        assert body(added) == {}
        assert self.tags(parameters, path) == [{"Key": "team", "Value": "web"}, {"Key": "empty", "Value": ""}]
        assert body(parameters.remove_tags_from_resource(**resource, TagKeys=["team", "none"])) == {}
        assert self.tags(parameters, path) == self.tags(parameters, parameter_arn(path)) == [{"Key": "empty", "Value": ""}]

    def test_fifty_and_no_more(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        resource = {"ResourceType": "Parameter", "ResourceId": path}
        parameters.add_tags_to_resource(**resource, Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(50)])
        with refused("TooManyTagsError", Matching(".+")):
            parameters.add_tags_to_resource(**resource, Tags=[{"Key": "more", "Value": "v"}])
        assert len(self.tags(parameters, path)) == 50

    @pytest.mark.parametrize("missing", ["/x", ":1", " x"])
    def test_no_such_parameter(self, parameters, path, missing):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        resource = {"ResourceType": "Parameter", "ResourceId": path + missing}
        with refused("InvalidResourceId", ""):
            self.tags(parameters, path + missing)
        with refused("InvalidResourceId", ""):
            parameters.add_tags_to_resource(**resource, Tags=[{"Key": "k", "Value": "v"}])
        with refused("InvalidResourceId", ""):
            parameters.remove_tags_from_resource(**resource, TagKeys=["k"])

    @pytest.mark.parametrize("kind", ["Document", "ManagedInstance", "OpsItem", "Association"])
    def test_other_resources(self, parameters, path, kind):
        with refused("InvalidResourceType", BAD_TYPE):
            parameters.list_tags_for_resource(ResourceType=kind, ResourceId=path)

    def test_reserved_keys(self, parameters, path):
        parameters.put_parameter(Name=path, Value="v", Type="String")
        with refused("ValidationException", Matching(".+aws:.+")):
            parameters.add_tags_to_resource(
                ResourceType="Parameter", ResourceId=path, Tags=[{"Key": "aws:x", "Value": "v"}]
            )


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("label_parameter_version", {"Name": "/paths/closed", "Labels": ["x"]}),
        ("unlabel_parameter_version", {"Name": "/paths/closed", "ParameterVersion": 1, "Labels": ["x"]}),
        ("add_tags_to_resource", {"ResourceType": "Parameter", "ResourceId": "/paths/closed", "Tags": []}),
        ("remove_tags_from_resource", {"ResourceType": "Parameter", "ResourceId": "/paths/closed", "TagKeys": []}),
        ("list_tags_for_resource", {"ResourceType": "Parameter", "ResourceId": "/paths/closed"}),
        ("get_parameter_history", {"Name": "/paths/closed"}),
    ],
)
def test_each_has_an_action_of_its_own(parameters_as, operation, arguments):
    action = "ssm:" + "".join(word.capitalize() for word in operation.split("_"))
    with refused("AccessDeniedException", Matching(rf".+ perform: {action} on resource: .+:parameter/paths/closed because .+")):
        getattr(parameters_as("lister"), operation)(**arguments)
