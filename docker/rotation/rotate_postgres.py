#!/usr/bin/env python3
"""A rotation function: gives a PostgreSQL user a new password.

The secret is JSON with `username` and `password`, and with `host`, `port` and `dbname` where they are not the usual ones.
Two strategies, in AWS's words:

    single user          the user changes its own password: nothing but the secret itself is read
    alternating users    if the secret has `masterarn`, the secret of a superuser: `app` and `app_clone` take turns, and who
                         still has the previous version can sign in until the next rotation

Needs boto3 and psql (Debian: python3-boto3, postgresql-client). Three ways to run it:

    rotate_postgres.py                          one event on standard input: a `command` of sealdock.toml
    rotate_postgres.py --serve [ADDRESS:]PORT   the Lambda invoke protocol over HTTP: a `url` of sealdock.toml
    handler(event, context)                     a Lambda function

Each step may be repeated: what is done already is left as it is.
"""

import http.server
import json
import os
import subprocess
import sys

import boto3

INVOCATIONS = "/2015-03-31/functions/function/invocations"
CLONE = "_clone"


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
            SecretString=json.dumps({**current, "username": next_user(current), "password": password}),
            VersionStages=["AWSPENDING"],
        )


def next_user(current):
    """The user of the next version: the same one, or the other one of the two that take turns."""
    user = current["username"]
    if "masterarn" not in current:
        return user
    return user.removesuffix(CLONE) if user.endswith(CLONE) else user + CLONE


def change(secrets, arn, token):
    """Changes the password in the database."""
    pending = read(secrets, arn, VersionId=token, VersionStage="AWSPENDING")
    if works(pending):
        return
    current = read(secrets, arn, VersionStage="AWSCURRENT")
    if pending["username"] != next_user(current):
        raise ValueError("the new version has a username that is not expected")
    if place(pending) != place(current):
        raise ValueError("the new version is for another database")
    user, password = identifier(pending["username"]), literal(pending["password"])
    if "masterarn" not in current:
        psql(current, f"ALTER ROLE {user} PASSWORD {password}")
        return
    master = read(secrets, current["masterarn"])
    if place(master)[:2] != place(current)[:2]:
        raise ValueError("the superuser's secret is for another database server")
    if not works(current):
        # Whoever may write the secret must not get a user by it whose password he does not know: no confused deputy.
        raise ValueError("the database does not take the current password")
    # Until it has a password it cannot sign in; and it may do what the first one may.
    psql(
        {**master, "dbname": place(current)[2]},
        f"""
        SELECT format('CREATE ROLE %I LOGIN', {literal(pending['username'])})
            WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(pending['username'])}) \\gexec
        GRANT {identifier(current['username'])} TO {user};
        ALTER ROLE {user} PASSWORD {password};
        """
        if pending["username"].endswith(CLONE)
        else f"ALTER ROLE {user} PASSWORD {password}",
    )


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


def place(secret):
    return str(secret.get("host", "localhost")), str(secret.get("port", 5432)), secret.get("dbname", "postgres")


def works(secret):
    try:
        psql(secret, "SELECT 1")
    except subprocess.CalledProcessError:
        return False
    return True


def psql(secret, statements):
    """Runs SQL. Neither it nor the password is on a command line, where others could read them."""
    host, port, database = place(secret)
    environment = {
        **os.environ,
        "PGHOST": host,
        "PGPORT": port,
        "PGDATABASE": database,
        "PGUSER": secret["username"],
        "PGPASSWORD": secret["password"],
        "PGCONNECT_TIMEOUT": "5",
    }
    command = ["psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
    # An error of psql repeats the statement, with the password in it.
    subprocess.run(command, input=statements, env=environment, text=True, check=True, capture_output=True)


def identifier(text):
    return '"' + text.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Invocations(http.server.BaseHTTPRequestHandler):
    """The Lambda invoke protocol: an event comes in, and a failure is an answer with X-Amz-Function-Error."""

    def do_POST(self):
        event = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != INVOCATIONS:
            return self.answer(404, {"Type": "User", "Message": "there is one function here, and it is called `function`"})
        try:
            event = json.loads(event)
            handler(event)
        except Exception as error:
            step = event.get("Step") if isinstance(event, dict) else None
            print(f"{step}: {type(error).__name__}: {error}", file=sys.stderr)
            failure = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return self.answer(200, failure, ("X-Amz-Function-Error", "Unhandled"))
        return self.answer(200, None)

    def answer(self, status, value, *headers):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        address, _, port = sys.argv[2].rpartition(":")
        http.server.ThreadingHTTPServer((address, int(port)), Invocations).serve_forever()
    else:
        handler(json.load(sys.stdin))
