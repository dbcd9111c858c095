"""A broker's life: start, stop, crash, what is in its files, and what is wrong with them."""

import json
import os
import shutil
import socket
import subprocess
import time
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

import broker as brokers
import conftest
import policies


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def started(directory):
    """A broker of this test's own; whatever has become of it is ended."""
    broker = brokers.served(directory, policies.DOCUMENT)
    broker.key = brokers.access_key(broker, "admin")
    yield broker
    broker.kill()


def client(broker, key=None):
    return conftest.client("secretsmanager", broker.plain, key or broker.key)


def again(broker):
    """A new broker on the data of one that has ended, known to the old key."""
    following = brokers.serve(broker.directory)
    following.key = broker.key
    return following


def refused_to_start(directory, *words, seconds=20):
    run = brokers.sealdock("serve", "--data", directory, "--tls", "127.0.0.1:0", timeout=seconds)
    assert run.returncode != 0
    assert run.stderr.strip(), "a refusal says why"
    for word in words:
        assert word in run.stderr, run.stderr
    assert "panicked" not in run.stderr
    return run


class TestTransport:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_tls_and_http_2(self, served, host):
        port = urlsplit(served.tls).port
        run = subprocess.run(
            ["curl", "--silent", "--show-error", "--http2", "--cacert", served.ca, "--output", "/dev/null",
             "--write-out", "%{http_version} %{http_code} %{ssl_verify_result}", f"https://{host}:{port}/"],
            env=brokers.environment(), capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        version, status, verified = run.stdout.split()
        assert (version, verified) == ("2", "0") and status.startswith("4"), run.stderr

    @pytest.mark.parametrize("version, fits", [("1.1", False), ("1.2", True), ("1.3", True)])
    def test_versions_of_tls(self, served, version, fits):
        run = subprocess.run(
            ["curl", "--silent", "--cacert", served.ca, "--output", "/dev/null", f"--tlsv{version}", "--tls-max", version,
             "--write-out", "%{http_code}", served.tls],
            env=brokers.environment(), capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert (run.returncode == 0) is fits

    def test_plain_http_to_the_tls_port(self, served):
        with socket.create_connection(("127.0.0.1", urlsplit(served.tls).port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert b"200 OK" not in connection.recv(4096)
            except ConnectionError:
                pass

    def test_the_socket_is_its_owners(self, served):
        assert os.stat(served.socket).st_mode & 0o077 == 0

    def test_secret_files_are_their_owners(self, served):
        keys = [path for path in served.directory.rglob("*") if path.is_file() and path.suffix in {".key", ".redb"}]
        assert keys
        for path in keys:
            assert path.stat().st_mode & 0o077 == 0, path


class TestLife:
    def test_what_was_written_is_there_after_a_restart(self, started, name, value):
        created = client(started).create_secret(Name=name, SecretString=value)
        assert started.stop() == 0
        following = again(started)
        try:
            read = client(following).get_secret_value(SecretId=name)
            assert (read["ARN"], read["SecretString"]) == (created["ARN"], value)
        finally:
            assert following.stop() == 0
        verdict = brokers.sealdock("audit", "verify", "--data", started.directory)
        assert verdict.returncode == 0 and "intact" in verdict.stdout

    def test_what_was_acknowledged_is_there_after_a_crash(self, started, name):
        written = {}
        for number in range(20):
            written[f"{name}/{number}"] = f"canary-8f1d {number}"
            client(started).create_secret(Name=f"{name}/{number}", SecretString=f"canary-8f1d {number}")
        started.kill()
        following = again(started)
        try:
            secrets = client(following)
            for full, value in written.items():
                assert secrets.get_secret_value(SecretId=full)["SecretString"] == value
        finally:
            assert following.stop() == 0
        assert brokers.sealdock("audit", "verify", "--data", started.directory).returncode == 0

    def test_a_request_that_is_under_way_is_finished(self, started, name, value):
        secrets = client(started)
        secrets.create_secret(Name=name, SecretString=value)
        assert started.stop() == 0
        with pytest.raises(BotoCoreError):
            secrets.get_secret_value(SecretId=name)

    def test_a_second_broker_on_the_same_data(self, started, name, value):
        client(started).create_secret(Name=name, SecretString=value)
        refused_to_start(started.directory)
        assert client(started).get_secret_value(SecretId=name)["SecretString"] == value

    def test_init_does_not_overwrite(self, started, name, value):
        client(started).create_secret(Name=name, SecretString=value)
        run = brokers.sealdock("init", "--data", started.directory)
        assert run.returncode != 0 and run.stderr.strip()
        started.stop()
        following = again(started)
        try:
            assert client(following).get_secret_value(SecretId=name)["SecretString"] == value
        finally:
            following.kill()

    def test_a_port_that_is_taken(self, started, tmp_path):
        other = tmp_path / "other"
        assert brokers.sealdock("init", "--data", other).returncode == 0
        taken = urlsplit(started.tls).netloc
        run = brokers.sealdock("serve", "--data", other, "--tls", taken, timeout=20)
        assert run.returncode != 0 and taken.rsplit(":", 1)[1] in run.stderr


class TestFiles:
    def test_nothing_in_clear(self, started, name, value):
        secrets = client(started)
        secrets.create_secret(Name=name, SecretString=value, Description="description-in-clear")
        started.stop()
        stores = list(started.directory.rglob("*.redb"))
        assert stores
        for store in stores:
            data = store.read_bytes()
            for text in (name, value, "description-in-clear", "secretsmanager", started.key[1]):
                assert text.encode() not in data

    def test_a_key_file_that_others_may_read(self, directory):
        assert brokers.sealdock("init", "--data", directory).returncode == 0
        (key,) = directory.rglob("root.key")
        key.chmod(0o644)
        refused_to_start(directory, str(key.name))

    def test_another_key(self, directory, tmp_path):
        for place in (directory, tmp_path / "other"):
            assert brokers.sealdock("init", "--data", place).returncode == 0
        shutil.copy2(*(tmp_path / "other").rglob("root.key"), *directory.rglob("root.key"))
        refused_to_start(directory)

    def test_a_wrong_passphrase(self, directory, tmp_path):
        phrase = tmp_path / "passphrase"
        phrase.write_text("correct horse battery staple\n")
        phrase.chmod(0o600)
        run = brokers.sealdock("init", "--data", directory, "--passphrase-file", phrase)
        assert run.returncode == 0, run.stderr
        phrase.write_text("wrong horse battery staple\n")
        run = refused_to_start(directory)
        assert "passphrase" in run.stderr.lower()
        assert "horse" not in run.stderr
        phrase.write_text("correct horse battery staple\n")
        brokers.serve(directory).stop()

    @pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
    def test_a_store_that_was_cut(self, started, name, value, part):
        client(started).create_secret(Name=name, SecretString=value)
        started.stop()
        (store,) = started.directory.rglob("*.redb")
        os.truncate(store, int(store.stat().st_size * part))
        refused_to_start(started.directory)

    def test_a_store_with_a_flipped_byte(self, started, name, value):
        """Refused, or served right: never another value, never a hang, never a crash."""
        client(started).create_secret(Name=name, SecretString=value)
        started.stop()
        (store,) = started.directory.rglob("*.redb")
        whole = store.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 24)):
            store.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
            try:
                following = again(started)
            except RuntimeError as error:
                assert "panicked" not in str(error) and "not ready" not in str(error), error
                continue
            try:
                read = client(following).get_secret_value(SecretId=name)
                assert read["SecretString"] == value
            except (ClientError, BotoCoreError) as error:
                assert value not in str(error)
            finally:
                following.kill()

    def test_no_data_there(self, directory):
        refused_to_start(directory, "sealdock init")


class TestPolicies:
    def test_a_file_with_errors_at_start(self, directory):
        assert brokers.sealdock("init", "--data", directory).returncode == 0
        (directory / "policies" / "bad.json").write_text('{"UserDetailList": [\n  {"UserName": 5}\n]}')
        refused_to_start(directory, "bad.json")
        check = brokers.sealdock("policy", "check", directory / "policies")
        assert check.returncode != 0 and "bad.json:2" in check.stdout + check.stderr

    def test_every_error_at_once(self, tmp_path):
        document = json.loads(policies.DOCUMENT)
        for user, effect in zip(document["UserDetailList"], ("Alow", "Denie")):
            user["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Effect"] = effect
        (tmp_path / "two.json").write_text(json.dumps(document, indent=1))
        check = brokers.sealdock("policy", "check", tmp_path)
        assert check.returncode != 0
        assert "Alow" in check.stdout + check.stderr and "Denie" in check.stdout + check.stderr

    def test_a_condition_that_means_nothing_is_refused(self, tmp_path):
        document = json.loads(policies.DOCUMENT)
        statement = document["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]
        statement["Condition"] = {"IpAdress": {"aws:SourceIp": "10.0.0.0/8"}}
        (tmp_path / "condition.json").write_text(json.dumps(document))
        check = brokers.sealdock("policy", "check", tmp_path)
        assert check.returncode != 0 and "`IpAddress`" in check.stdout + check.stderr
        statement["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
        (tmp_path / "condition.json").write_text(json.dumps(document))
        check = brokers.sealdock("policy", "check", tmp_path)
        assert check.returncode == 0, check.stdout + check.stderr

    def test_a_change_is_taken_up(self, started, name, value):
        admin = client(started)
        admin.create_secret(Name=name, SecretString=value)
        key = brokers.access_key(started, "nobody")
        nobody = client(started, key)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            nobody.get_secret_value(SecretId=name)

        document = json.loads(policies.DOCUMENT)
        (entry,) = [user for user in document["UserDetailList"] if user["UserName"] == "nobody"]
        statement = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        entry["UserPolicyList"] = [
            {"PolicyName": "Now", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
        ]
        file = started.directory / "policies" / "test.json"
        file.write_text(json.dumps(document))
        assert soon(lambda: reads(nobody, name) == value)

        file.write_text(json.dumps(document)[:-20])
        time.sleep(2)
        assert reads(nobody, name) == value, "a file with errors leaves the last good policies in force"

        file.write_text(policies.DOCUMENT)
        assert soon(lambda: reads(nobody, name) is None)


def reads(client, name):
    try:
        return client.get_secret_value(SecretId=name)["SecretString"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"
        return None


def soon(condition, seconds=10):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.1)
    return False


class TestAudit:
    @pytest.fixture
    def log(self, started, name, value):
        secrets = client(started)
        secrets.create_secret(Name=name, SecretString=value)
        for _ in range(5):
            secrets.get_secret_value(SecretId=name)
        with pytest.raises(ClientError):
            secrets.get_secret_value(SecretId=name + "-missing")
        started.stop()
        files = [path for path in (started.directory / "audit").rglob("*") if path.is_file()]
        (lines,) = [path for path in files if b"GetSecretValue" in path.read_bytes()]
        return started.directory, lines

    def verify(self, directory):
        return brokers.sealdock("audit", "verify", "--data", directory)

    def test_intact(self, log):
        run = self.verify(log[0])
        assert run.returncode == 0 and "intact" in run.stdout
        assert json.loads(brokers.sealdock("audit", "verify", "--data", log[0], "--json").stdout)

    def test_every_request_is_there(self, log, name):
        run = brokers.sealdock("audit", "search", "--data", log[0], "--event", "GetSecretValue", "--json")
        events = [json.loads(line) for line in run.stdout.splitlines()]
        # A request that was allowed and then failed has two records with one id: the decision, and the failure.
        failed = {event["requestID"]: event["errorCode"] for event in events if event.get("errorCode")}
        assert list(failed.values()) == ["ResourceNotFoundException"]
        assert len({event["requestID"] for event in events} - set(failed)) == 5
        for event in events:
            assert event["eventSource"] == "secretsmanager.amazonaws.com"
            assert event["userIdentity"]["userName"] == "admin"
            assert event["requestParameters"]["secretId"].startswith(name)

    @pytest.mark.parametrize("how", ["changed", "removed", "swapped", "cut", "appended"])
    def test_tampering_is_found(self, log, how):
        directory, file = log
        lines = file.read_bytes().splitlines(keepends=True)
        index = next(number for number, line in enumerate(lines) if b"GetSecretValue" in line)
        if how == "changed":
            lines[index] = lines[index].replace(b"GetSecretValue", b"GetSecretVolue", 1)
        elif how == "removed":
            del lines[index]
        elif how == "swapped":
            lines[index], lines[index + 1] = lines[index + 1], lines[index]
        elif how == "cut":
            del lines[-3:]
        else:
            lines.append(lines[-1])
        file.write_bytes(b"".join(lines))
        run = self.verify(directory)
        assert run.returncode != 0 and "intact" not in run.stdout.lower().replace("not intact", "")
        assert any(character.isdigit() for character in run.stdout + run.stderr), "the verdict says where"


def test_boto3_is_the_pinned_one():
    """The suite speaks for the versions in requirements.txt; another installation would test something else."""
    pinned = (brokers.ROOT / "tests" / "clients" / "requirements.txt").read_text()
    assert f"boto3=={boto3.__version__}\n" in pinned


@pytest.mark.parametrize("folder", ["policies", "docker/quickstart"])
def test_the_policies_that_ship(folder, tmp_path):
    for file in (brokers.ROOT / folder).glob("*.json"):
        if "UserDetailList" in file.read_text() or "RoleDetailList" in file.read_text():
            shutil.copy(file, tmp_path)
    assert list(tmp_path.iterdir())
    check = brokers.sealdock("policy", "check", tmp_path)
    assert check.returncode == 0, check.stdout + check.stderr
