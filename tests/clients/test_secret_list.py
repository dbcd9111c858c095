"""ListSecrets: what an entry holds, filters, sorting, and pages."""

import uuid

import pytest

from expect import RECENTLY, Matching, body, constraint, refused


def names(answer):
    return [entry["Name"] for entry in answer["SecretList"]]


def by_name(prefix):
    return [{"Key": "name", "Values": [prefix]}]


@pytest.fixture(scope="module")
def shelf(secrets):
    """A few secrets under a prefix of their own, for the filters to choose from."""
    prefix = f"shelf{uuid.uuid4().hex[:8]}"
    for tail, description, tags in [
        ("/alpha", "first letter", {"team": "red", "stage": "prod"}),
        ("/beta", "Second letter", {"team": "blue"}),
        ("/Gamma", "third LETTER", {"Team": "red"}),
        ("/delta", "", {}),
    ]:
        secrets.create_secret(
            Name=prefix + tail,
            SecretString="canary-8f1d",
            **({"Description": f"{prefix} {description}"} if description else {}),
            Tags=[{"Key": f"{prefix}-{key}", "Value": f"{prefix}-{value}"} for key, value in tags.items()],
        )
    return prefix


def test_an_entry(secrets, name, value):
    created = secrets.create_secret(
        Name=name, SecretString=value, Description="listed", Tags=[{"Key": "team", "Value": "red"}]
    )
    listed = body(secrets.list_secrets(Filters=by_name(name)))
    assert listed == {
        "SecretList": [
            {
                "ARN": created["ARN"],
                "Name": name,
                "Description": "listed",
                "CreatedDate": RECENTLY,
                "LastChangedDate": RECENTLY,
                "Tags": [{"Key": "team", "Value": "red"}],
                "SecretVersionsToStages": {created["VersionId"]: ["AWSCURRENT"]},
            }
        ]
    }


def test_no_entry(secrets, name):
    assert body(secrets.list_secrets(Filters=by_name(name))) == {"SecretList": []}


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("name", "{}", {"alpha", "beta", "Gamma", "delta"}),
        ("name", "{}/a", {"alpha"}),
        ("name", "{}/g", set()),
        ("name", "{}/G", {"Gamma"}),
        ("tag-key", "{}-team", {"alpha", "beta"}),
        ("tag-key", "{}-Team", {"Gamma"}),
        ("tag-value", "{}-red", {"alpha", "Gamma"}),
        ("description", "{} first", {"alpha"}),
        ("description", "{} SECOND", {"beta"}),
        ("all", "{}", {"alpha", "beta", "Gamma", "delta"}),
    ],
)
def test_one_filter(secrets, shelf, key, value, expected):
    """name, tag-key and tag-value compare prefixes, description too but without case, all compares words."""
    listed = secrets.list_secrets(Filters=[{"Key": key, "Values": [value.format(shelf)]}])
    assert {name.rsplit("/", 1)[1] for name in names(listed)} == expected


def test_several_values_widen_and_several_filters_narrow(secrets, shelf):
    wide = secrets.list_secrets(Filters=[{"Key": "name", "Values": [f"{shelf}/alpha", f"{shelf}/beta"]}])
    assert {name.rsplit("/", 1)[1] for name in names(wide)} == {"alpha", "beta"}
    narrow = secrets.list_secrets(
        Filters=[{"Key": "name", "Values": [shelf]}, {"Key": "tag-value", "Values": [f"{shelf}-red"]}]
    )
    assert {name.rsplit("/", 1)[1] for name in names(narrow)} == {"alpha", "Gamma"}


def test_a_negated_value(secrets, shelf):
    listed = secrets.list_secrets(
        Filters=[{"Key": "name", "Values": [shelf]}, {"Key": "name", "Values": [f"!{shelf}/alpha"]}]
    )
    assert {name.rsplit("/", 1)[1] for name in names(listed)} == {"beta", "Gamma", "delta"}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sorted_by_name(secrets, shelf, order):
    chosen = [{"Key": "name", "Values": [f"{shelf}/{tail}" for tail in ("beta", "delta", "alpha")]}]
    listed = names(secrets.list_secrets(Filters=chosen, SortBy="name", SortOrder=order))
    assert listed == sorted(listed, reverse=order == "desc") and len(listed) == 3


def test_pages(secrets):
    prefix = f"pages{uuid.uuid4().hex[:8]}/"
    expected = {f"{prefix}{number:02}" for number in range(11)}
    for full in sorted(expected):
        secrets.create_secret(Name=full, SecretString="canary-8f1d")
    seen, sizes, chosen = [], [], {"Filters": by_name(prefix), "MaxResults": 4}
    answer = secrets.list_secrets(**chosen)
    while True:
        seen += names(answer)
        sizes.append(len(answer["SecretList"]))
        if "NextToken" not in answer:
            break
        answer = secrets.list_secrets(NextToken=answer["NextToken"], **chosen)
    assert len(seen) == len(set(seen)) and set(seen) == expected
    assert all(size <= 4 for size in sizes) and len(sizes) <= 6


def test_pages_while_secrets_come_and_go(secrets):
    prefix = f"moving{uuid.uuid4().hex[:8]}/"
    stay = [f"{prefix}{number:02}" for number in range(0, 12, 2)]
    for full in stay + [f"{prefix}05"]:
        secrets.create_secret(Name=full, SecretString="canary-8f1d")
    chosen = {"Filters": by_name(prefix), "MaxResults": 2, "SortBy": "name", "SortOrder": "asc"}
    seen, answer, turn = [], secrets.list_secrets(**chosen), 0
    while True:
        seen += names(answer)
        if "NextToken" not in answer:
            break
        turn += 1
        if turn == 1:
            secrets.delete_secret(SecretId=f"{prefix}05", ForceDeleteWithoutRecovery=True)
            secrets.create_secret(Name=f"{prefix}01", SecretString="canary-8f1d")
        answer = secrets.list_secrets(NextToken=answer["NextToken"], **chosen)
    assert [name for name in seen if name in stay] == stay


@pytest.mark.parametrize("token", ["garbage", "AAAA", "=" * 100, "e30=", "x" * 4096])
def test_tokens_that_are_none(secrets, token):
    with refused("InvalidNextTokenException", Matching(".+")):
        secrets.list_secrets(NextToken=token)


@pytest.mark.parametrize("count", [0, 101])
def test_page_sizes_that_are_refused(secrets, raw_secrets, count):
    answer = raw_secrets("ListSecrets", {"MaxResults": count})
    assert (answer.status, answer.code) == (400, "ValidationException")
    rule = "have value greater than or equal to 1" if count == 0 else "have value less than or equal to 100"
    assert answer.message == constraint("maxResults", rule)


def test_an_unknown_filter(raw_secrets):
    answer = raw_secrets("ListSecrets", {"Filters": [{"Key": "colour", "Values": ["red"]}]})
    assert (answer.status, answer.code) == (400, "ValidationException")
    assert answer.message == Matching(
        r"1 validation error detected: Value 'colour' at 'filters\.1\.member\.key' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[.+\]\.?"
    )


@pytest.mark.parametrize(
    "given, message",
    [({"Values": ["a"]}, "Invalid filter key"), ({"Key": "tag-key"}, "Invalid filter values for key: tag-key")],
)
def test_half_a_filter(secrets, given, message):
    with refused("InvalidParameterException", message):
        secrets.list_secrets(Filters=[given])


def test_descriptions_match_by_words(secrets):
    prefix = f"words{uuid.uuid4().hex[:8]}/"
    texts = {"one": "a secret", "two": "an secret", "three": "asecret", "four": "thesecret", "five": None}
    for tail, text in texts.items():
        secrets.create_secret(Name=prefix + tail, **({"Description": text} if text else {}))

    def matching(*values):
        filters = [*by_name(prefix), {"Key": "description", "Values": list(values)}]
        return {name.removeprefix(prefix) for name in names(secrets.list_secrets(Filters=filters))}

    assert matching("a") == {"one", "two", "three"}
    assert matching("A Secret") == {"one", "two"}
    assert matching("!a") == {"four", "five"}
    assert matching("thesecret", "!a") == {"four", "five"}
    assert matching("asecret", "an") == {"two", "three"}


def test_a_token_is_good_for_its_list(secrets):
    prefix = f"token{uuid.uuid4().hex[:8]}/"
    for number in range(3):
        secrets.create_secret(Name=f"{prefix}{number}", SecretString="canary-8f1d")
    chosen = {"Filters": by_name(prefix), "MaxResults": 1}
    token = secrets.list_secrets(**chosen)["NextToken"]
    assert names(secrets.list_secrets(**{**chosen, "MaxResults": 2}, NextToken=token)) == [prefix + "1", prefix + "2"]
    others = [
        {}, {"Filters": by_name(prefix[:-1])}, {**chosen, "SortBy": "name"}, {**chosen, "SortOrder": "desc"},
        {**chosen, "IncludePlannedDeletion": True},
    ]  # fmt: skip
    for other in others:
        with refused("InvalidNextTokenException", Matching(".+")):
            secrets.list_secrets(**other, NextToken=token)
    with refused("InvalidNextTokenException", Matching(".+")):
        secrets.batch_get_secret_value(Filters=by_name(prefix), MaxResults=1, NextToken=token)


def test_sorted_by_dates(secrets):
    prefix = f"dates{uuid.uuid4().hex[:8]}/"
    for tail in "cab":
        secrets.create_secret(Name=prefix + tail, SecretString="canary-8f1d")
    secrets.update_secret(SecretId=prefix + "c", Description="d")
    secrets.get_secret_value(SecretId=prefix + "a")

    def listed(**order):
        found = names(secrets.list_secrets(Filters=by_name(prefix), **order))
        return "".join(name.removeprefix(prefix) for name in found)

    assert (listed(), listed(SortOrder="desc")) == ("cab", "bac")
    assert listed(SortBy="last-changed-date") == "abc"
    # A secret that nobody has read comes before all that were; a read counts at once.
    assert listed(SortBy="last-accessed-date") == "bca"
    assert listed(SortBy="last-accessed-date", SortOrder="desc") == "acb"
