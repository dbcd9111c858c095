"""Signed GetCallerIdentity requests as proof of identity: how Vault, Kubernetes' IAM authenticator and others know who calls."""

import datetime
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from broker import ACCOUNT, REGION
from test_sts import arn, broker, keys, sts_as  # noqa: F401  (fixtures)

QUERY = "Action=GetCallerIdentity&Version=2011-06-15"
CLUSTER = {"x-k8s-aws-id": "my-cluster"}


def ask(url, data=None, method=None, **headers):
    """Status, media type and body."""
    request = urllib.request.Request(url, data=data, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def presigned(broker, key, expires=60, service="sts", region=REGION, headers=CLUSTER, query=QUERY, when=None, token=None):
    request = AWSRequest("GET", f"{broker.plain}/?{query}", headers=headers)
    now = when or datetime.datetime.now(datetime.timezone.utc)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: now.replace(tzinfo=None)):
        botocore.auth.SigV4QueryAuth(Credentials(key[0], key[1], token), service, region, expires=expires).add_auth(request)
    return request.url


def code(body):
    return body.split("<Code>")[1].split("</Code>")[0]


class TestPresigned:
    def test_a_verifier_gets_json_if_it_asks_for_it(self, broker, keys):
        url = presigned(broker, keys["outsider"])
        status, media, body = ask(url, **CLUSTER, Accept="application/json")
        assert (status, media) == (200, "application/json")
        answer = json.loads(body)["GetCallerIdentityResponse"]
        assert answer["GetCallerIdentityResult"] == {
            "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/outsider", "UserId": answer["GetCallerIdentityResult"]["UserId"],
        }  # fmt: skip
        assert list(answer["ResponseMetadata"]) == ["RequestId"]
        for accept in ("*/*", "text/xml", "application/xml;q=1, */*"):
            status, media, body = ask(url, **CLUSTER, Accept=accept)
            assert (status, media) == (200, "text/xml") and body.startswith("<GetCallerIdentityResponse ")

    def test_of_a_session(self, broker, keys, sts_as):
        made = sts_as("admin").assume_role(RoleArn=arn("app"), RoleSessionName="pod")["Credentials"]
        key = made["AccessKeyId"], made["SecretAccessKey"]
        status, _, body = ask(presigned(broker, key, token=made["SessionToken"]), **CLUSTER, Accept="application/json")
        assert status == 200 and f":assumed-role/app/pod" in body
        status, _, body = ask(presigned(broker, key), **CLUSTER)
        assert (status, code(body)) == (403, "InvalidClientTokenId"), "without its token it proves nothing"

    def test_of_any_region(self, broker, keys):
        for region in ("us-east-1", "eu-west-3", "ap-southeast-2"):
            assert ask(presigned(broker, keys["admin"], region=region), **CLUSTER)[0] == 200

    def test_what_was_signed_is_what_counts(self, broker, keys):
        url = presigned(broker, keys["admin"])
        assert ask(url, **CLUSTER)[0] == 200
        changed = {
            "another cluster": (url, {"x-k8s-aws-id": "other"}), "no cluster": (url, {}),
            "another operation": (url.replace("GetCallerIdentity", "GetSessionToken"), CLUSTER),
            "a longer life": (url.replace("Expires=60", "Expires=600"), CLUSTER),
            "one parameter more": (f"{url}&DurationSeconds=900", CLUSTER),
            "another signature": (url[:-1] + ("0" if url[-1] != "0" else "1"), CLUSTER),
            "another region": (url.replace(REGION, "us-west-2"), CLUSTER),
        }  # fmt: skip
        for what, (other, headers) in changed.items():
            status, _, body = ask(other, **headers)
            assert (status, code(body)) == (403, "SignatureDoesNotMatch"), what
        for method in ("POST", "PUT", "DELETE"):
            assert ask(url, method=method, **CLUSTER)[0] in (400, 403), method

    def test_it_ends(self, broker, keys):
        url = presigned(broker, keys["admin"], expires=1)
        assert ask(url, **CLUSTER)[0] == 200
        time.sleep(2.2)
        status, _, body = ask(url, **CLUSTER)
        assert (status, code(body)) == (403, "SignatureDoesNotMatch") and "Signature expired" in body
        for minutes in (-61, 16):
            when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
            assert ask(presigned(broker, keys["admin"], when=when, expires=900), **CLUSTER)[0] == 403, minutes

    def test_it_is_for_this_service(self, broker, keys):
        for service in ("secretsmanager", "iam", "s3"):
            status, _, body = ask(presigned(broker, keys["admin"], service=service), **CLUSTER)
            assert (status, code(body)) == (403, "SignatureDoesNotMatch") and "&apos;" not in body, service

    def test_a_second_of_anything_is_refused(self, broker, keys):
        url = presigned(broker, keys["admin"])
        for more in ("Action=GetCallerIdentity", "X-Amz-Expires=600", "X-Amz-Signature=" + "0" * 64, "Version=2011-06-15"):
            assert ask(f"{url}&{more}", **CLUSTER)[0] in (400, 403), more

    def test_an_operation_with_permissions_by_url(self, broker, keys):
        form = urllib.parse.urlencode(
            {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": arn("app"), "RoleSessionName": "by-url"}
        )
        status, media, body = ask(presigned(broker, keys["admin"], query=form), **CLUSTER, Accept="application/json")
        assert (status, media) == (200, "text/xml") and "assumed-role/app/by-url" in body
        assert ask(presigned(broker, keys["outsider"], query=form), **CLUSTER)[0] == 403


class TestVault:
    """The client signs a POST and hands it over; the server sends it on as it is."""

    def login(self, broker, key, headers, body=QUERY):
        media = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        request = AWSRequest("POST", f"{broker.plain}/", data=body, headers={**media, **headers})
        botocore.auth.SigV4Auth(Credentials(*key), "sts", REGION).add_auth(request)
        return dict(request.headers.items())

    def test_a_request_that_somebody_else_sends(self, broker, keys):
        headers = self.login(broker, keys["admin"], {"X-Vault-AWS-IAM-Server-ID": "vault.example.com"})
        status, media, body = ask(f"{broker.plain}/", QUERY.encode(), **headers)
        assert (status, media) == (200, "text/xml") and f"<Arn>arn:aws:iam::{ACCOUNT}:user/admin</Arn>" in body
        for change in ({"X-Vault-AWS-IAM-Server-ID": "other.example.com"}, {"X-Amz-Date": "20200101T000000Z"}):
            assert ask(f"{broker.plain}/", QUERY.encode(), **{**headers, **change})[0] == 403, change
        without = {name: value for name, value in headers.items() if name != "X-Vault-AWS-IAM-Server-ID"}
        assert ask(f"{broker.plain}/", QUERY.encode(), **without)[0] == 403
        assert ask(f"{broker.plain}/", b"Action=GetSessionToken&Version=2011-06-15", **headers)[0] == 403

    @pytest.mark.parametrize("user", ["barred", "outsider"])
    def test_it_needs_no_permission(self, broker, keys, user):
        assert ask(f"{broker.plain}/", QUERY.encode(), **self.login(broker, keys[user], {}))[0] == 200
