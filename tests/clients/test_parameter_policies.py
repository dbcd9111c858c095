"""Parameter policies: what is accepted, what is shown, and what happens when the time comes."""

import datetime
import json
import time

import pytest

import broker as brokers
from conftest import client, dev_key
from expect import RECENTLY, body, parameter_arn, refused
from test_metrics import samples, scrape


@pytest.fixture
def path(name):
    return "/" + name


def policy(kind, **attributes):
    return {"Type": kind, "Version": "1.0", "Attributes": attributes}


def expiration(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return policy("Expiration", Timestamp=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def put(parameters, path, *policies, **more):
    arguments = {"Value": "v", "Type": "String", "Tier": "Advanced", "Policies": json.dumps(policies)} | more
    return parameters.put_parameter(Name=path, **arguments)


def shown(parameters, path):
    (found,) = parameters.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [path]}])["Parameters"]
    return found["Policies"]


def text(policy):
    return json.dumps(policy, separators=(",", ":"))


def until(condition, seconds=15):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("did not happen in time")


def actions(directory, path):
    """The policy actions on one parameter that are on record: type and detail."""
    search = brokers.sealdock(
        "audit", "search", "--data", directory, "--event", "ParameterStorePolicyAction", "--limit", "500", "--json"
    )
    assert search.returncode == 0, search.stderr
    events = [json.loads(line) for line in search.stdout.splitlines() if path in line]
    return [event.get("event", event) for event in events]


class TestKept:
    def test_shown_with_their_status(self, parameters, path):
        three = [
            expiration(86400 * 30),
            policy("ExpirationNotification", Before="15", Unit="Days"),
            policy("NoChangeNotification", After="20", Unit="Hours"),
        ]
        assert body(put(parameters, path, *three)) == {"Version": 1, "Tier": "Advanced"}
        expected = [{"PolicyText": text(p), "PolicyType": p["Type"], "PolicyStatus": "Pending"} for p in three]
        assert shown(parameters, path) == expected
        assert parameters.get_parameter_history(Name=path)["Parameters"][0]["Policies"] == expected

    def test_kept_until_others_come(self, parameters, path):
        put(parameters, path, policy("NoChangeNotification", After="20", Unit="Days"))
        parameters.put_parameter(Name=path, Value="w", Overwrite=True)
        assert [p["PolicyType"] for p in shown(parameters, path)] == ["NoChangeNotification"]
        put(parameters, path, expiration(86400), Overwrite=True)
        assert [p["PolicyType"] for p in shown(parameters, path)] == ["Expiration"]
        put(parameters, path, {}, Overwrite=True)
        assert shown(parameters, path) == []
        kinds = [[p["PolicyType"] for p in v["Policies"]] for v in parameters.get_parameter_history(Name=path)["Parameters"]]
        assert kinds == [["NoChangeNotification"], ["NoChangeNotification"], ["Expiration"], []]

    def test_intelligent_tiering_makes_it_advanced(self, parameters, path):
        assert put(parameters, path, expiration(86400), Tier="Intelligent-Tiering")["Tier"] == "Advanced"

    @pytest.mark.parametrize("tier", [{"Tier": "Standard"}, {}])
    def test_no_policies_for_standard_parameters(self, parameters, path, tier):
        with refused(
            "ValidationException",
            "Parameter policies are available for parameters in the advanced-parameter tier only. Set the tier to "
            "Advanced or Intelligent-Tiering.",
        ):
            parameters.put_parameter(
                Name=path, Value="v", Type="String", Policies=json.dumps([expiration(86400)]), **tier
            )
        assert put(parameters, path, {}, Tier="Standard")["Tier"] == "Standard"


@pytest.mark.parametrize(
    "policies, code, message",
    [
        ("{}", "ValidationException", "Invalid policies input: {}."),
        ("[", "ValidationException", "Invalid policies input: [."),
        ("[1]", "ValidationException", "Invalid policies input: [1]."),
        (
            [expiration(86400)] * 11,
            "PoliciesLimitExceededException",
            "Number of policies attached to a parameter cannot exceed 10",
        ),
        ([policy("Expire")], "InvalidPolicyTypeException", "Policy type Expire is not supported."),
        (
            [{"Type": "Expiration", "Version": "1.1", "Attributes": {}}],
            "InvalidPolicyAttributeException",
            "Unsupported policy version.",
        ),
        (
            [policy("Expiration")],
            "InvalidPolicyAttributeException",
            "A valid Expiration policy must have an attribute of Timestamp.",
        ),
        (
            [policy("Expiration", Timestamp="soon")],
            "InvalidPolicyAttributeException",
            "Invalid timestamp format",
        ),
        (
            [policy("NoChangeNotification", After="20", Unit="Minutes")],
            "InvalidPolicyAttributeException",
            "Supported time units: DAYS HOURS",
        ),
        (
            [policy("NoChangeNotification", After="-20", Unit="Days")],
            "InvalidPolicyAttributeException",
            "Attribute After must be a positive integer.",
        ),
        (
            [policy("NoChangeNotification", Unit="Days")],
            "InvalidPolicyAttributeException",
            "Mandatory policy attribute After is missing.",
        ),
        (
            [expiration(1), expiration(2)],
            "IncompatiblePolicyException",
            "There can be only one expiration policy",
        ),
        (
            [policy("ExpirationNotification", Before="1", Unit="Days")],
            "IncompatiblePolicyException",
            "Expiration notification policies are missing expiration policy",
        ),
    ],
)
def test_refused(parameters, path, policies, code, message):
    policies = policies if isinstance(policies, str) else json.dumps(policies)
    with refused(code, message):
        parameters.put_parameter(Name=path, Value="v", Type="String", Tier="Advanced", Policies=policies)
    with refused("ParameterNotFound", f"Parameter {path} not found."):
        parameters.get_parameter(Name=path)


class TestInTime:
    def test_an_expired_parameter_is_deleted(self, dev, parameters, path, value):
        path += "/expires"
        metrics = dev.variables["AWS_ENDPOINT_URL"]
        sample = 'sealdock_parameter_policy_actions_total{policy="Expiration"}'
        before = samples(scrape(metrics))[sample]
        put(parameters, path, expiration(2), Value=value, Type="SecureString")
        assert parameters.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"] == value

        def gone():
            answer = parameters.get_parameters(Names=[path])
            return answer["InvalidParameters"] == [path]

        until(gone)
        assert parameters.get_parameters_by_path(Path=path.rsplit("/", 1)[0], Recursive=True)["Parameters"] == []
        until(lambda: samples(scrape(metrics))[sample] == before + 1)
        (event,) = actions(dev.directory, path)
        assert event["eventType"] == "AwsServiceEvent" and event["eventSource"] == "ssm.amazonaws.com"
        assert event["resources"][0]["ARN"] == parameter_arn(path)
        assert event["additionalEventData"]["detail-type"] == "Parameter Store Policy Action"
        detail = event["additionalEventData"]["detail"]
        assert (detail["parameter-name"], detail["parameter-type"], detail["policy-type"]) == (
            path, "SecureString", "Expiration",
        )  # fmt: skip
        # The name is free again, and begins at one.
        assert parameters.put_parameter(Name=path, Value="v", Type="String")["Version"] == 1

    def test_an_expiration_is_announced_once(self, dev, parameters, path):
        put(parameters, path, expiration(1800), policy("ExpirationNotification", Before="1", Unit="Hours"))
        until(lambda: [p["PolicyStatus"] for p in shown(parameters, path)] == ["Pending", "Finished"])
        # A new version keeps what has happened; the expiration stays where it was.
        parameters.put_parameter(Name=path, Value="w", Overwrite=True)
        assert [p["PolicyStatus"] for p in shown(parameters, path)] == ["Pending", "Finished"]
        time.sleep(1.5)
        (event,) = actions(dev.directory, path)
        assert event["additionalEventData"]["detail"]["policy-type"] == "ExpirationNotification"

    def test_an_expiration_that_is_put_off(self, parameters, path):
        put(parameters, path, expiration(2))
        put(parameters, path, expiration(3600), Overwrite=True)
        time.sleep(3.5)
        assert parameters.get_parameter(Name=path)["Parameter"]["Version"] == 2

    def test_across_a_restart(self, tmp_path, path, value):
        broker = brokers.dev(tmp_path / "data")
        try:
            parameters = client("ssm", broker.variables["AWS_ENDPOINT_URL"], dev_key(broker))
            put(parameters, path, expiration(3), Value=value, Type="SecureString")
            put(parameters, path + "/kept", expiration(3600))
            broker.kill()
            time.sleep(3.5)
            broker = brokers.dev(tmp_path / "data")
            parameters = client("ssm", broker.variables["AWS_ENDPOINT_URL"], dev_key(broker))
            with refused("ParameterNotFound", f"Parameter {path} not found."):
                parameters.get_parameter(Name=path)
            until(lambda: len(actions(broker.directory, path)) == 1)
            found = parameters.get_parameter(Name=path + "/kept")["Parameter"]
            assert (found["Value"], found["LastModifiedDate"]) == ("v", RECENTLY)
        finally:
            broker.stop()
