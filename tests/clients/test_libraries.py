"""Libraries that others wrote on top of the SDK, unchanged: AWS's caching client, and the parameters utility of Powertools.

They read the same secrets and parameters as everybody, see a new version after they are told to, and get the same errors.
"""

import json

import pytest
from aws_lambda_powertools.utilities import parameters as powertools
from aws_secretsmanager_caching import InjectKeywordedSecretString, SecretCache, SecretCacheConfig

from conftest import client


@pytest.fixture
def cache(secrets):
    """A cache that takes every value for old once it has been asked for."""
    return SecretCache(config=SecretCacheConfig(secret_refresh_interval=0), client=secrets)


class TestSecretCache:
    def test_it_reads_text_and_binary_and_sees_a_rotation(self, secrets, cache, name, value):
        secrets.create_secret(Name=name, SecretString=value)
        assert cache.get_secret_string(name) == value
        assert cache.get_secret_binary(name) is None
        moved = secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert cache.get_secret_string(name) == value + "2"
        assert cache.get_secret_string(name, version_stage="AWSPREVIOUS") == value
        secrets.put_secret_value(SecretId=name, SecretBinary=value.encode())
        assert cache.get_secret_binary(name) == value.encode()
        assert cache.get_secret_string(name, version_stage="AWSPREVIOUS") == value + "2"
        assert secrets.describe_secret(SecretId=name)["VersionIdsToStages"][moved["VersionId"]] == ["AWSPREVIOUS"]

    def test_a_kept_value_needs_no_request(self, secrets, name, value):
        cache = SecretCache(config=SecretCacheConfig(secret_refresh_interval=3600), client=secrets)
        secrets.create_secret(Name=name, SecretString=value)
        assert cache.get_secret_string(name) == value
        secrets.put_secret_value(SecretId=name, SecretString=value + "2")
        assert cache.get_secret_string(name) == value
        cache.refresh_secret_now(name)
        assert cache.get_secret_string(name) == value + "2"

    def test_errors_come_through(self, secrets, cache, name, value):
        with pytest.raises(secrets.exceptions.ResourceNotFoundException):
            cache.get_secret_string(name)
        secrets.create_secret(Name=name + "x", SecretString=value)
        secrets.delete_secret(SecretId=name + "x")
        with pytest.raises(secrets.exceptions.InvalidRequestException):
            cache.get_secret_string(name + "x")

    def test_the_decorator(self, secrets, cache, name, value):
        secrets.create_secret(Name=name, SecretString=json.dumps({"username": "app", "password": value}))

        @InjectKeywordedSecretString(secret_id=name, cache=cache, user="username", secret="password")
        def login(user, secret):
            return user, secret

        assert login() == ("app", value)


class TestPowertools:
    def test_secrets(self, secrets, name, value):
        provider = powertools.SecretsProvider(boto3_client=secrets)
        secrets.create_secret(Name=name, SecretString=json.dumps({"password": value}))
        assert provider.get(name, transform="json", force_fetch=True) == {"password": value}
        provider.set(name, json.dumps({"password": value + "2"}))
        assert provider.get(name, transform="json", force_fetch=True) == {"password": value + "2"}
        provider.set(name + "/new", value)
        assert secrets.get_secret_value(SecretId=name + "/new")["SecretString"] == value
        with pytest.raises(powertools.GetParameterError, match="ResourceNotFoundException"):
            provider.get(name + "/none")

    def test_parameters(self, parameters, name, value):
        provider = powertools.SSMProvider(boto3_client=parameters)
        for leaf in ("a", "b/c"):
            provider.set(f"/{name}/{leaf}", value + leaf, parameter_type="SecureString")
        assert provider.get(f"/{name}/a", decrypt=True) == value + "a"
        assert provider.get_multiple(f"/{name}", decrypt=True, recursive=True) == {"a": value + "a", "b/c": value + "b/c"}
        names = {f"/{name}/a": {}, f"/{name}/none": {}, f"/{name}/b/c": {}}
        found = provider.get_parameters_by_name(names, decrypt=True, raise_on_error=False)
        assert found == {f"/{name}/a": value + "a", f"/{name}/b/c": value + "b/c", "_errors": [f"/{name}/none"]}
        provider.set(f"/{name}/a", value, overwrite=True, parameter_type="SecureString")
        assert provider.get(f"/{name}/a", decrypt=True, force_fetch=True) == value

    def test_what_is_refused_is_refused_here_too(self, served, users, name):
        nobody = client("ssm", served.tls, users["nobody"], verify=served.ca)
        with pytest.raises(powertools.GetParameterError, match="AccessDeniedException"):
            powertools.SSMProvider(boto3_client=nobody).get(f"/{name}")
