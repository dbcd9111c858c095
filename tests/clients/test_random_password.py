"""GetRandomPassword: every option, every contradiction; and GetResourcePolicy of a secret that has none."""

import string

import pytest

from expect import MARKED, NO_SECRET, body, refused

TYPES = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


def draw(secrets, **options):
    answer = body(secrets.get_random_password(**options))
    assert list(answer) == ["RandomPassword"]
    return answer["RandomPassword"]


def test_the_default(secrets):
    passwords = [draw(secrets) for _ in range(20)]
    assert len(set(passwords)) == 20
    for password in passwords:
        assert len(password) == 32 and " " not in password
        for characters in TYPES.values():
            assert set(password) & set(characters)


@pytest.mark.parametrize("length", [4, 5, 100, 4096])
def test_lengths(secrets, length):
    assert len(draw(secrets, PasswordLength=length)) == length


@pytest.mark.parametrize("excluded", TYPES)
def test_a_type_excluded(secrets, excluded):
    password = draw(secrets, PasswordLength=500, **{excluded: True})
    for option, characters in TYPES.items():
        assert bool(set(password) & set(characters)) == (option != excluded)


def test_one_type_alone(secrets):
    for kept, characters in TYPES.items():
        password = draw(secrets, PasswordLength=1, **{option: True for option in TYPES if option != kept})
        assert password in characters


def test_all_characters_occur(secrets):
    password = draw(secrets, PasswordLength=4096, IncludeSpace=True)
    assert set(password) == {chr(code) for code in range(32, 127)}


def test_spaces_alone(secrets):
    nothing = {option: True for option in TYPES}
    assert draw(secrets, PasswordLength=3, IncludeSpace=True, **nothing) == "   "


def test_characters_excluded(secrets):
    unwanted = string.ascii_letters[10:40] + '"@/\\ \u20ac'
    password = draw(secrets, PasswordLength=2000, ExcludeCharacters=unwanted, IncludeSpace=True)
    assert not set(password) & set(unwanted)


def test_types_need_not_occur(secrets):
    options = {"PasswordLength": 1, "RequireEachIncludedType": False}
    assert len(draw(secrets, **options)) == 1
    no_digits = draw(secrets, PasswordLength=200, ExcludeCharacters=string.digits, RequireEachIncludedType=False)
    assert not set(no_digits) & set(string.digits)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"PasswordLength": 3}, "Password length is too short based on the required types."),
        (
            {"PasswordLength": 2, "ExcludeNumbers": True},
            "Password length is too short based on the required types.",
        ),
        ({option: True for option in TYPES}, "All characters have been excluded from selection."),
        (
            {**{option: True for option in TYPES}, "IncludeSpace": True, "ExcludeCharacters": " "},
            "All characters have been excluded from selection.",
        ),
        ({"ExcludeCharacters": string.digits}, "All characters of the desired type have been excluded."),
        (
            {"ExcludeCharacters": string.printable, "RequireEachIncludedType": False},
            "All characters have been excluded from selection.",
        ),
    ],
)
def test_contradictions(secrets, options, text):
    with refused("InvalidParameterException", text):
        secrets.get_random_password(**options)


def test_it_needs_its_permission(secrets_as):
    assert len(draw(secrets_as("admin"))) == 32
    for user in ("reader", "nobody"):
        with pytest.raises(secrets_as(user).exceptions.ClientError, match="AccessDenied.*secretsmanager:GetRandomPassword"):
            secrets_as(user).get_random_password()


def test_no_secret_has_a_resource_policy(secrets, name, value):
    arn = secrets.create_secret(Name=name, SecretString=value)["ARN"]
    for identifier in (name, arn):
        assert body(secrets.get_resource_policy(SecretId=identifier)) == {"ARN": arn, "Name": name}
    with refused("ResourceNotFoundException", NO_SECRET):
        secrets.get_resource_policy(SecretId=name + "x")
    secrets.delete_secret(SecretId=name)
    with refused("InvalidRequestException", MARKED):
        secrets.get_resource_policy(SecretId=name)
