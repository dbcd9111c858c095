"""What an answer has to be: matchers for the parts that differ each time, and refusals as code and message."""

import datetime
import re
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from broker import ACCOUNT, REGION


class Matching:
    """Equal to every string that the whole pattern matches."""

    def __init__(self, pattern):
        self.pattern = re.compile(pattern)

    def __eq__(self, other):
        return isinstance(other, str) and self.pattern.fullmatch(other) is not None

    def __repr__(self):
        return f"Matching({self.pattern.pattern!r})"


class Recently:
    """Equal to every point in time of the last minute (and the next seconds: clocks are read twice)."""

    def __eq__(self, other):
        if not isinstance(other, datetime.datetime):
            return False
        age = datetime.datetime.now(datetime.timezone.utc) - other
        return datetime.timedelta(seconds=-5) < age < datetime.timedelta(seconds=60)

    def __repr__(self):
        return "Recently()"


class InDays:
    """Equal to the point in time so many days from now, give or take a minute."""

    def __init__(self, days):
        self.days = days

    def __eq__(self, other):
        if not isinstance(other, datetime.datetime):
            return False
        distance = other - datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=self.days)
        return abs(distance) < datetime.timedelta(minutes=1)

    def __repr__(self):
        return f"InDays({self.days})"


class Today:
    """Equal to midnight (UTC) of today: Secrets Manager keeps the date of the last access, not the time."""

    def __eq__(self, other):
        if not isinstance(other, datetime.datetime):
            return False
        now = datetime.datetime.now(datetime.timezone.utc)
        return other.astimezone(datetime.timezone.utc) in (
            now.replace(hour=0, minute=0, second=0, microsecond=0),
            now.replace(hour=0, minute=0, second=0, microsecond=0) - datetime.timedelta(days=1),
        )

    def __repr__(self):
        return "Today()"


RECENTLY = Recently()
TODAY = Today()
UUID = Matching(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def secret_arn(name):
    """The ARN of a secret: its name, a hyphen and six characters."""
    return Matching(rf"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{re.escape(name)}-[0-9A-Za-z]{{6}}")


def parameter_arn(name):
    """The ARN of a parameter: a name that begins with a slash brings the separator along."""
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name if name.startswith('/') else '/' + name}"


def body(answer):
    """An answer without what the client library adds."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


@contextmanager
def refused(code, message, status=400):
    """The call in this block has to fail with this code and message (a string, or a `Matching`)."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response
    found = (error["Error"]["Code"], error["Error"].get("Message", ""), error["ResponseMetadata"]["HTTPStatusCode"])
    assert found == (code, message, status)


# The texts of Secrets Manager that many operations share.
NO_SECRET = "Secrets Manager can't find the specified secret."
MARKED = "You can't perform this operation on the secret because it was marked for deletion."
BAD_SECRET_NAME = (
    "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
)


def constraint(member, rule):
    """The text of a broken constraint of the service model; the value may be shown or withheld."""
    return Matching(
        rf"1 validation error detected: Value( '.*')? at '{re.escape(member)}' failed to satisfy constraint: "
        rf"Member must {rule}\.?"
    )
