"""Rotation beside other changes: replicas, labels that are moved meanwhile, what is shown afterwards, and counts of failures."""

import datetime
import threading
import uuid

import pytest

import conftest
from expect import body, refused
from functions import eventually, rotate
from test_rotation import FUNCTION, PENDING, endpoint, events, metric, rotated, rotating, secret, secrets  # noqa: F401

NEAR = "eu-west-1"
REPLICA = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def near(rotating):  # noqa: F811
    return conftest.client("secretsmanager", rotating.variables["AWS_ENDPOINT_URL"], conftest.dev_key(rotating), region=NEAR)


def recorded(broker, arn, count):
    """The names and data of the recorded events of a secret's rotation, as soon as there are so many."""
    return eventually(lambda: len(found := events(broker, arn)) == count and found)


class Held:
    """A function that waits before `step` until it is let go."""

    def __init__(self, step):
        self.step, self.reached, self.go = step, threading.Event(), threading.Event()

    def __call__(self, event, client):
        if event["Step"] == self.step:
            self.reached.set()
            assert self.go.wait(20)
        rotate(event, client)


class TestReplicas:
    @pytest.fixture
    def replicated(self, secrets, name, value):  # noqa: F811
        return secrets.create_secret(Name=name, SecretString=value, AddReplicaRegions=[{"Region": NEAR}])

    def test_they_follow(self, secrets, near, name, value, replicated):  # noqa: F811
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
        rotated(secrets, name, token)
        primary, replica = secrets.get_secret_value(SecretId=name), near.get_secret_value(SecretId=name)
        assert replica["SecretString"] == primary["SecretString"] != value
        assert replica["VersionId"] == token
        described = [client.describe_secret(SecretId=name) for client in (secrets, near)]
        assert described[0]["VersionIdsToStages"] == described[1]["VersionIdsToStages"]
        (status,) = described[0]["ReplicationStatus"]
        assert status["Status"] == "InSync"

    def test_they_follow_each_step(self, secrets, endpoint, near, name, value, replicated):  # noqa: F811
        held = endpoint.rotations[name] = Held("setSecret")
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
        assert held.reached.wait(20)
        pending = near.get_secret_value(SecretId=name, VersionStage="AWSPENDING")
        assert pending["VersionId"] == token
        assert near.get_secret_value(SecretId=name)["SecretString"] == value
        held.go.set()
        rotated(secrets, name, token)
        assert near.get_secret_value(SecretId=name)["SecretString"] == pending["SecretString"]

    def test_a_replica_does_not_rotate(self, secrets, endpoint, near, name, replicated):  # noqa: F811
        rotated(secrets, name, secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"])
        called = len(endpoint.events)
        for call in (near.rotate_secret, near.cancel_rotate_secret):
            with refused("InvalidParameterException", REPLICA):
                call(SecretId=name)
        with refused("InvalidParameterException", REPLICA):
            near.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION.replace(":eu-central-1:", f":{NEAR}:"))
        assert len(endpoint.events) == called
        # A replica that was promoted is a secret like any other, and has no rotation yet.
        near.stop_replication_to_replica(SecretId=name)
        with refused("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."):
            near.rotate_secret(SecretId=name)


class TestMeanwhile:
    def test_the_pending_label_is_taken_away(self, rotating, secrets, endpoint, name, value, secret):  # noqa: F811
        """As AWS advises after a failure. The next request starts anew, and the rotation before is on record as abandoned."""
        arn, first = secret["ARN"], secret["VersionId"]
        held = endpoint.rotations[name] = Held("setSecret")
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
        assert held.reached.wait(20)
        with refused("InvalidRequestException", PENDING):
            secrets.rotate_secret(SecretId=name)
        secrets.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=token)
        del endpoint.rotations[name]
        second = secrets.rotate_secret(SecretId=name)["VersionId"]
        held.go.set()
        rotated(secrets, name, second)
        assert secrets.describe_secret(SecretId=name)["VersionIdsToStages"] == {
            first: ["AWSPREVIOUS"],
            second: ["AWSCURRENT", "AWSPENDING"],
        }
        found = [(n, d["VersionId"]) for n, d in recorded(rotating, arn, 4)]
        assert sorted(found) == sorted(
            [
                ("RotationStarted", token),
                ("RotationAbandoned", token),
                ("RotationStarted", second),
                ("RotationSucceeded", second),
            ]
        )

    def test_somebody_finishes_it_by_hand(self, rotating, secrets, endpoint, name, value, secret):  # noqa: F811
        held = endpoint.rotations[name] = Held("testSecret")
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
        assert held.reached.wait(20)
        secrets.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=secret["VersionId"]
        )
        held.go.set()
        described = rotated(secrets, name, token)
        assert described["VersionIdsToStages"] == {secret["VersionId"]: ["AWSPREVIOUS"], token: ["AWSCURRENT", "AWSPENDING"]}
        assert [n for n, _ in recorded(rotating, secret["ARN"], 2)] == ["RotationStarted", "RotationSucceeded"]

    def test_the_secret_is_deleted_and_restored(self, rotating, secrets, endpoint, name, value, secret):  # noqa: F811
        held = endpoint.rotations[name] = Held("finishSecret")
        token = secrets.rotate_secret(
            SecretId=name, RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 10}
        )["VersionId"]
        assert held.reached.wait(20)
        secrets.delete_secret(SecretId=name)
        held.go.set()
        assert [n for n, _ in recorded(rotating, secret["ARN"], 2)] == ["RotationStarted", "RotationAbandoned"]
        described = secrets.describe_secret(SecretId=name)
        assert "DeletedDate" in described and "NextRotationDate" not in described
        secrets.restore_secret(SecretId=name)
        described = secrets.describe_secret(SecretId=name)
        assert described["RotationEnabled"] is True and "NextRotationDate" in described
        assert "LastRotatedDate" not in described
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == value
        del endpoint.rotations[name]
        rotated(secrets, name, secrets.rotate_secret(SecretId=name)["VersionId"])

    def test_it_is_cancelled(self, rotating, secrets, endpoint, name, value, secret):  # noqa: F811
        held = endpoint.rotations[name] = Held("setSecret")
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
        assert held.reached.wait(20)
        answer = body(secrets.cancel_rotate_secret(SecretId=name))
        assert answer == {"ARN": secret["ARN"], "Name": name, "VersionId": token}
        held.go.set()
        eventually(lambda: [n for n, _ in events(rotating, secret["ARN"]) if n == "RotationAbandoned"])
        assert endpoint.steps(secret["ARN"]) == ["createSecret", "setSecret"]
        stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
        assert stages == {secret["VersionId"]: ["AWSCURRENT"], token: ["AWSPENDING"]}


class TestWhatIsShown:
    def test_after_a_rotation_by_an_expression(self, secrets, name, secret):  # noqa: F811
        """AutomaticallyAfterDays is calculated from the schedule after a rotation, beside the expression."""
        rules = {"ScheduleExpression": "rate(10 days)", "Duration": "3h"}
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules=rules)["VersionId"]
        described = rotated(secrets, name, token)
        assert described["RotationRules"] == rules | {"AutomaticallyAfterDays": 10}
        midnight = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        # The window opens at midnight of the tenth day and is three hours long; the last second of it is shown.
        due = midnight + 10 * DAY + datetime.timedelta(hours=3, seconds=-1)
        assert described["NextRotationDate"] == due

    def test_after_turning_it_off_and_on(self, secrets, name, secret):  # noqa: F811
        rules = {"AutomaticallyAfterDays": 5}
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules=rules)["VersionId"]
        before = rotated(secrets, name, token)
        secrets.cancel_rotate_secret(SecretId=name)
        described = secrets.describe_secret(SecretId=name)
        assert described["RotationEnabled"] is False and described["RotationRules"] == rules
        assert not {"LastRotatedDate", "NextRotationDate"} & set(described)
        (listed,) = secrets.list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]
        assert listed["RotationEnabled"] is False and not {"LastRotatedDate", "NextRotationDate"} & set(listed)
        secrets.rotate_secret(SecretId=name, RotateImmediately=False)
        described = secrets.describe_secret(SecretId=name)
        assert described["LastRotatedDate"] == before["LastRotatedDate"] and "NextRotationDate" in described

    def test_a_new_value_counts_as_a_rotation_for_the_schedule(self, secrets, name, value, secret):  # noqa: F811
        rules = {"AutomaticallyAfterDays": 5}
        secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, RotationRules=rules, RotateImmediately=False)
        eventually(lambda: len(secrets.describe_secret(SecretId=name)["VersionIdsToStages"]) == 1)
        before = secrets.describe_secret(SecretId=name)["NextRotationDate"]
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert secrets.describe_secret(SecretId=name)["NextRotationDate"] == before


class TestFailures:
    @pytest.mark.parametrize("step", ["createSecret", "setSecret", "testSecret", "finishSecret"])
    def test_they_are_counted(self, rotating, secrets, endpoint, name, secret, step):  # noqa: F811
        def fails(event, client):
            if event["Step"] == step:
                raise ValueError("no")
            rotate(event, client)

        count = lambda outcome: metric(rotating, f'sealdock_rotations_total{{outcome="{outcome}"}}')
        before = {outcome: count(outcome) for outcome in ("failed", "succeeded")}
        endpoint.rotations[name] = fails
        token = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)["VersionId"]
        eventually(lambda: [n for n, _ in events(rotating, secret["ARN"]) if n == "RotationFailed"])
        assert count("failed") >= before["failed"] + 1
        described = secrets.describe_secret(SecretId=name)
        assert described["VersionIdsToStages"][token] == ["AWSPENDING"] and "LastRotatedDate" not in described
        del endpoint.rotations[name]
        with refused("InvalidRequestException", PENDING):
            secrets.rotate_secret(SecretId=name, ClientRequestToken=str(uuid.uuid4()))
        # The request with the token of the rotation in progress is that rotation, and no error.
        assert secrets.rotate_secret(SecretId=name, ClientRequestToken=token)["VersionId"] == token
        rotated(secrets, name, token)
        assert count("succeeded") >= before["succeeded"] + 1
        attempts = [(n, d["attempt"]) for n, d in recorded(rotating, secret["ARN"], 4)]
        assert attempts == [("RotationStarted", 1), ("RotationFailed", 1), ("RotationStarted", 1), ("RotationSucceeded", 1)]

    def test_a_test_that_fails(self, rotating, secrets, endpoint, name, value, secret):  # noqa: F811
        """RotateImmediately=False runs testSecret only; if that fails, rotation is set up nevertheless."""

        def fails(event, client):
            raise ValueError("no")

        endpoint.rotations[name] = fails
        secrets.rotate_secret(
            SecretId=name, RotationLambdaARN=FUNCTION, RotateImmediately=False, RotationRules={"AutomaticallyAfterDays": 5}
        )
        found = recorded(rotating, secret["ARN"], 2)
        assert [n for n, _ in found] == ["TestRotationStarted", "TestRotationFailed"]
        assert found[1][1]["failure"] == "testSecret: the function raised an error"
        described = secrets.describe_secret(SecretId=name)
        assert described["VersionIdsToStages"] == {secret["VersionId"]: ["AWSCURRENT"]}
        assert described["RotationEnabled"] is True and "NextRotationDate" in described

    def test_a_token_of_another_version(self, secrets, name, value, secret):  # noqa: F811
        """It is a repeated request for a version that is there: nothing begins."""
        answer = secrets.rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION, ClientRequestToken=secret["VersionId"])
        assert answer["VersionId"] == secret["VersionId"]
        described = secrets.describe_secret(SecretId=name)
        assert described["VersionIdsToStages"] == {secret["VersionId"]: ["AWSCURRENT"]}
