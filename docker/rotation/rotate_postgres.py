#!/usr/bin/env python3
"""A rotation function: gives a PostgreSQL user a new password.

The secret is JSON with `username` and `password`, and with `host`, `port` and `dbname` where they are not the usual ones.
The user changes its own password, so nothing but the secret itself is read ("single user" in AWS's words).

Needs boto3 and psql (Debian: python3-boto3, postgresql-client). Three ways to run it:

    rotate_postgres.py                  one event on standard input: a `command` of sealdock.toml
    rotate_postgres.py --serve 8080     the Lambda invoke protocol over HTTP: a `url` of sealdock.toml
    handler(event, context)             a Lambda function

Each step may be repeated: what is done already is left as it is.
"""

import http.server
import json
import os
import subprocess
import sys

import boto3


def handler(event, context=None):
    endpoint = os.environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or os.environ.get("AWS_ENDPOINT_URL")
    secrets = boto3.client("secretsmanager", endpoint_url=endpoint)
    arn, token = event["SecretId"], event["ClientRequestToken"]
    stages = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"].get(token, [])
    if "AWSCURRENT" in stages:
        return  # An earlier attempt has finished.
    if "AWSPENDING" not in stages:
        raise ValueError("the version is not staged for rotation")
    steps = {"createSecret": create, "setSecret": change, "testSecret": test, "finishSecret": finish}
    steps[event["Step"]](secrets, arn, token)


def create(secrets, arn, token):
    """Makes the new version, with a new password."""
    current = read(secrets, arn, VersionStage="AWSCURRENT")
    try:
        read(secrets, arn, VersionId=token, VersionStage="AWSPENDING")
    except secrets.exceptions.ResourceNotFoundException:
        password = secrets.get_random_password(PasswordLength=32, ExcludePunctuation=True)["RandomPassword"]
        secrets.put_secret_value(
            SecretId=arn,
            ClientRequestToken=token,
            SecretString=json.dumps({**current, "password": password}),
            VersionStages=["AWSPENDING"],
        )


def change(secrets, arn, token):
    """Changes the password in the database."""
    pending = read(secrets, arn, VersionId=token, VersionStage="AWSPENDING")
    if works(pending):
        return
    current = read(secrets, arn, VersionStage="AWSCURRENT")
    if pending["username"] != current["username"]:
        raise ValueError("the new version has another username")
    psql(current, f"ALTER ROLE {identifier(current['username'])} PASSWORD {literal(pending['password'])}")


def test(secrets, arn, token):
    """Signs in with the new password."""
    if not works(read(secrets, arn, VersionId=token, VersionStage="AWSPENDING")):
        raise ValueError("the database does not take the new password")


def finish(secrets, arn, token):
    """Makes the new version current."""
    versions = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]
    current = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
    secrets.update_secret_version_stage(
        SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
    )


def read(secrets, arn, **version):
    return json.loads(secrets.get_secret_value(SecretId=arn, **version)["SecretString"])


def works(secret):
    try:
        psql(secret, "SELECT 1")
    except subprocess.CalledProcessError:
        return False
    return True


def psql(secret, statement):
    """Runs one statement. Neither it nor the password is on a command line, where others could read them."""
    environment = {
        **os.environ,
        "PGHOST": str(secret.get("host", "localhost")),
        "PGPORT": str(secret.get("port", 5432)),
        "PGDATABASE": secret.get("dbname", "postgres"),
        "PGUSER": secret["username"],
        "PGPASSWORD": secret["password"],
        "PGCONNECT_TIMEOUT": "5",
    }
    command = ["psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
    # An error of psql repeats the statement, with the password in it.
    subprocess.run(command, input=statement, env=environment, text=True, check=True, capture_output=True)


def identifier(text):
    return '"' + text.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Invocations(http.server.BaseHTTPRequestHandler):
    """The Lambda invoke protocol: an event comes in, and a failure is an answer with X-Amz-Function-Error."""

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            handler(event)
            answer, failed = None, False
        except Exception as error:
            print(f"{event.get('Step')}: {type(error).__name__}: {error}", file=sys.stderr)
            answer, failed = {"errorType": type(error).__name__, "errorMessage": str(error)}, True
        body = json.dumps(answer).encode()
        self.send_response(200)
        if failed:
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        http.server.ThreadingHTTPServer(("", int(sys.argv[2])), Invocations).serve_forever()
    else:
        handler(json.load(sys.stdin))
