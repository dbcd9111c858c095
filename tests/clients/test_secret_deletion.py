"""DeleteSecret and RestoreSecret: recovery windows, deletion at once, and what a secret that is marked for deletion answers."""

import pytest

from expect import MARKED, NO_SECRET, InDays, Matching, body, refused


def test_the_default_window_is_thirty_days(secrets, name, value):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    assert body(secrets.delete_secret(SecretId=name)) == {"ARN": arn, "Name": name, "DeletionDate": InDays(30)}


@pytest.mark.parametrize("days", [7, 8, 30])
def test_a_window_of_ones_own(secrets, name, value, days):
    secrets.create_secret(Name=name, SecretString=value)
    deleted = secrets.delete_secret(SecretId=name, RecoveryWindowInDays=days)
    assert deleted["DeletionDate"] == InDays(days)


@pytest.mark.parametrize("days", [-1, 0, 6, 31, 1000, 2**40])
def test_windows_that_are_refused(secrets, name, value, days):
    secrets.create_secret(Name=name, SecretString=value)
    with refused(
        "InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."
    ):
        secrets.delete_secret(SecretId=name, RecoveryWindowInDays=days)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == value


def test_a_window_and_at_once(secrets, name, value):
    secrets.create_secret(Name=name, SecretString=value)
    with refused(
        "InvalidParameterException",
        "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
    ):
        secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)


def test_at_once(secrets, name, value):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    deleted = secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert body(deleted) == {"ARN": arn, "Name": name, "DeletionDate": InDays(0)}
    for identifier in (name, arn):
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.get_secret_value(SecretId=identifier)
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.describe_secret(SecretId=identifier)


def test_at_once_of_a_secret_that_is_not_there(secrets, name):
    """Documented: with ForceDeleteWithoutRecovery, deleting what is not there is no error."""
    deleted = secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert deleted["Name"] == name and deleted["DeletionDate"] == InDays(0)
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.delete_secret(SecretId=name)


class TestMarkedForDeletion:
    @pytest.fixture
    def marked(self, secrets, name, value):
        arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
        secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        return arn

    def test_it_cannot_be_read(self, secrets, name, marked):
        for identifier in (name, marked):
            with refused("InvalidRequestException", MARKED):
                secrets.get_secret_value(SecretId=identifier)

    def test_it_cannot_be_written(self, secrets, name, marked, value):
        with refused("InvalidRequestException", MARKED):
            secrets.put_secret_value(SecretId=name, SecretString=value)
        with refused("InvalidRequestException", MARKED):
            secrets.update_secret(SecretId=name, SecretString=value)
        with refused("InvalidRequestException", MARKED):
            secrets.update_secret(SecretId=name, Description="new")

    def test_it_can_be_described(self, secrets, name, marked):
        described = secrets.describe_secret(SecretId=name)
        # The date of the deletion request; the window ends RecoveryWindowInDays later.
        assert described["DeletedDate"] in (InDays(0), InDays(7))
        assert described["ARN"] == marked

    def test_its_name_is_not_free(self, secrets, name, marked, value):
        with refused(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ):
            secrets.create_secret(Name=name, SecretString=value)

    def test_it_can_be_deleted_for_good(self, secrets, name, marked):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        with refused("ResourceNotFoundException", NO_SECRET):
            secrets.describe_secret(SecretId=name)
        assert secrets.create_secret(Name=name)["ARN"] != marked

    def test_marking_it_again(self, secrets, name, marked):
        with refused("InvalidRequestException", Matching(r"You can't perform this operation on the secret because it was .+")):
            secrets.delete_secret(SecretId=name, RecoveryWindowInDays=30)

    def test_it_is_listed_on_request_only(self, secrets, name, marked):
        chosen = {"Filters": [{"Key": "name", "Values": [name]}]}
        assert secrets.list_secrets(**chosen)["SecretList"] == []
        (entry,) = secrets.list_secrets(IncludePlannedDeletion=True, **chosen)["SecretList"]
        assert entry["ARN"] == marked and "DeletedDate" in entry


class TestRestoring:
    def test_it_is_as_before(self, secrets, name, value):
        arn = secrets.create_secret(Name=name, SecretString=value, Description="kept")["ARN"]
        secrets.delete_secret(SecretId=name)
        assert body(secrets.restore_secret(SecretId=name)) == {"ARN": arn, "Name": name}
        described = secrets.describe_secret(SecretId=name)
        assert "DeletedDate" not in described and described["Description"] == "kept"
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == value
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=7)["DeletionDate"] == InDays(7)
        assert body(secrets.restore_secret(SecretId=arn)) == {"ARN": arn, "Name": name}

    def test_what_was_not_deleted(self, secrets, name, value):
        arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
        before = body(secrets.describe_secret(SecretId=name))
        assert body(secrets.restore_secret(SecretId=name)) == {"ARN": arn, "Name": name}
        assert body(secrets.describe_secret(SecretId=name)) == before

    def test_what_is_gone(self, secrets, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        for identifier in (name, name + "x"):
            with refused("ResourceNotFoundException", NO_SECRET):
                secrets.restore_secret(SecretId=identifier)
