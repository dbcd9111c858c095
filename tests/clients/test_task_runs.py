"""Task definitions on this machine's Docker: what their containers share, mount, are told, and where their images come from."""

import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import broker as brokers
from test_launch import broker, containers, docker, family, image, shop, task  # noqa: F401  (fixtures)
from test_launch import ROLE

WAIT = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


def container(name, image, script, **more):
    return {
        "name": name, "image": image, "memory": 32, "stopTimeout": 2, "essential": True,
        "command": ["sh", "-c", script], **more,
    }  # fmt: skip


def definition(family, *containers, **more):
    return {"family": family, "executionRoleArn": ROLE, "containerDefinitions": list(containers), **more}


def lines_of(run, name):
    return [line.removeprefix(f"{name} | ") for line in run.stdout.splitlines() if line.startswith(f"{name} | ")]


@pytest.fixture(autouse=True)
def nothing_is_left(family):
    yield
    left = containers(family)
    if left:
        docker("rm", "--force", "--volumes", *left)
    assert left == []
    assert [name for name in docker("volume", "ls", "--quiet").split() if family in name] == []


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class TestNamespaces:
    def test_awsvpc_has_one_address_and_one_localhost(self, task, image, family):
        port = free_port()
        web = container(
            "web", image, "mkdir /w; echo served > /w/index.html; exec httpd -f -p $PORT -h /w",
            environment=[{"name": "PORT", "value": str(port)}], portMappings=[{"containerPort": port}],
            essential=False,
        )  # fmt: skip
        script = (
            f"for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1:{port}/ && break; sleep 0.2; done;"
            "hostname -i"
        )
        app = container("app", image, script, dependsOn=[{"containerName": "web", "condition": "START"}])
        run = task("run", definition(family, web, app, networkMode="awsvpc", cpu="256", memory="512"))
        assert run.returncode == 0, run.stderr
        served, address = lines_of(run, "app")
        assert served == "served" and address.count(".") == 3

    def test_awsvpc_publishes_ports_and_is_described(self, task, image, family):
        port = free_port()
        web = container(
            "web", image, f"mkdir /w; echo served > /w/index.html; exec httpd -f -p {port} -h /w",
            portMappings=[{"containerPort": port, "hostPort": port, "protocol": "tcp"}],
        )  # fmt: skip
        run = task("run", definition(family, web, networkMode="awsvpc"), "--detach")
        assert run.returncode == 0, run.stderr
        task_id = run.stdout.strip()
        described = brokers.sealdock("task", "describe", task_id[:12], "--json")
        assert described.returncode == 0, described.stderr
        (answer,) = json.loads(described.stdout)["tasks"]
        assert answer["taskArn"].endswith(task_id) and answer["lastStatus"] == "RUNNING"
        (one,) = answer["containers"]
        assert one["name"] == "web" and one["networkInterfaces"][0]["privateIpv4Address"]
        assert one["networkBindings"][0]["hostPort"] == port
        # Docker takes connections before the server listens.
        answer = b""
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                try:
                    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answer = connection.makefile("rb").read()
                except ConnectionError:
                    pass
            if answer:
                break
            time.sleep(0.1)
        assert b"served" in answer
        stopped = brokers.sealdock("task", "stop", task_id)
        assert stopped.returncode == 0, stopped.stderr

    def test_processes_and_shared_memory_of_a_task(self, task, image, family):
        other = container("other", image, "exec sleep 4711", essential=False)
        app = container(
            "app", image, "sleep 0.5; ps | grep -c '[s]leep 4711'; ls -l /proc/1/ns/ipc /proc/self/ns/ipc | sed 's/.*ipc://' | sort -u | wc -l",
            dependsOn=[{"containerName": "other", "condition": "START"}],
        )  # fmt: skip
        run = task("run", definition(family, other, app, networkMode="none", pidMode="task", ipcMode="task"))
        assert run.returncode == 0, run.stderr
        # Process 1 is the pause container's, and its memory is the app's too.
        assert lines_of(run, "app") == ["1", "1"]

    def test_links_and_dynamic_ports(self, task, image, family):
        web = container(
            "web", image, "mkdir /w; echo linked > /w/index.html; exec httpd -f -p 8080 -h /w",
            essential=False, portMappings=[{"containerPort": 8080}, {"containerPortRange": "9000-9002"}],
        )  # fmt: skip
        app = container(
            "app", image, "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://backend:8080/ && break; sleep 0.2; done",
            links=["web:backend"],
        )  # fmt: skip
        run = task("run", definition(family, web, app))
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "app") == ["linked"]


class TestVolumes:
    def test_file_systems_volumes_and_those_of_others(self, task, image, family, tmp_path):
        share = tmp_path / "share"
        (share / "site").mkdir(parents=True)
        (share / "site" / "greeting").write_text("hello\n")
        volumes = [
            {"name": "efs", "efsVolumeConfiguration": {"fileSystemId": "fs-0123", "rootDirectory": "/site"}},
            {"name": "scratch"},
        ]
        writer = container(
            "writer", image, "cat /efs/greeting; echo made > /scratch/file; exec sleep 60", essential=False,
            mountPoints=[
                {"sourceVolume": "efs", "containerPath": "/efs", "readOnly": True},
                {"sourceVolume": "scratch", "containerPath": "/scratch"},
            ],
        )  # fmt: skip
        app = container(
            "app", image, "sleep 0.5; cat /scratch/file /efs/greeting; touch /scratch/x 2>&1 || echo read-only",
            volumesFrom=[{"sourceContainer": "writer", "readOnly": True}],
            dependsOn=[{"containerName": "writer", "condition": "START"}],
        )  # fmt: skip
        document = definition(family, writer, app, volumes=volumes, networkMode="none")
        refused = task("run", document)
        assert refused.returncode == 120 and "--efs fs-0123=DIR" in refused.stderr and containers(family) == []
        planned = task("plan", document)
        assert planned.returncode == 0 and "--efs fs-0123=DIR" in planned.stderr
        run = task("run", document, "--efs", f"fs-0123={share}")
        assert run.returncode == 0, run.stderr
        output = lines_of(run, "app")
        assert output[:2] == ["made", "hello"] and output[-1] == "read-only"

    def test_variables_from_files(self, task, shop, image, family, tmp_path):
        bucket = tmp_path / "bucket"
        bucket.mkdir()
        (bucket / "one.env").write_text("X_A=file\nX_B=one\nX_C=\"quoted\" # kept\r\n#X_D=no\nX_E=file\n")
        (bucket / "two.env").write_text("X_B=two\nX_F=two\n")
        files = [{"value": f"arn:aws:s3:::config/{name}.env", "type": "s3"} for name in ("one", "two")]
        app = container(
            "app", image, "env | grep ^X_ | sort", environmentFiles=files,
            environment=[{"name": "X_A", "value": "plain"}],
            secrets=[{"name": "X_E", "valueFrom": "/launch/level"}],
        )  # fmt: skip
        run = task("run", definition(family, app, networkMode="none"), "--s3", f"arn:aws:s3:::config/={bucket}")
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "app") == ["X_A=plain", "X_B=one", 'X_C="quoted" # kept', "X_E=info", "X_F=two"]
        refused = task("run", definition(family, app, networkMode="none"), "--s3", f"config/={tmp_path}/absent")
        assert refused.returncode == 120 and "one.env" in refused.stderr and "two.env" in refused.stderr


class TestLogs:
    def test_firelens(self, task, shop, image, family):
        """Docker sends what the app writes to the router's socket; the router has the option's value, its configuration has not."""
        router = container(
            "router", image, f"cat /fluent-bit/etc/fluent-bit.conf; echo key $apikey_1; {WAIT}",
            firelensConfiguration={"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
        )  # fmt: skip
        app = container(
            "app", image, "sleep 2; echo routed-line; sleep 60",
            logConfiguration={
                "logDriver": "awsfirelens", "options": {"Name": "datadog", "provider": "ecs"},
                "secretOptions": [{"name": "apikey", "valueFrom": shop["token"]}],
            },
        )  # fmt: skip
        run = task("run", definition(family, router, app, networkMode="none"), "--detach")
        assert run.returncode == 0, run.stderr
        task_id = run.stdout.strip()
        (volume,) = [name for name in docker("volume", "ls", "--quiet").split() if family in name]
        place = docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume).strip()
        received = b""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{place}/fluent.sock")
            listener.listen()
            listener.settimeout(20)
            connection, _ = listener.accept()
            connection.settimeout(20)
            while b"routed-line" not in received:
                received += connection.recv(65536)
        assert f"app-firelens-{task_id}".encode() in received
        logs = brokers.sealdock("task", "logs", task_id, "--container", "router")
        assert logs.returncode == 0, logs.stderr
        config = "\n".join(lines_of(logs, "router"))
        assert "[OUTPUT]\n    Name datadog\n    Match app-firelens*\n    apikey ${apikey_1}\n    provider ecs" in config
        assert f"ecs_task_definition {family}:0" in config and "key canary-8f1d-token" in config
        inspected = docker("inspect", *[one for one in containers(family)])
        app = [one for one in json.loads(inspected) if one["Config"]["Labels"]["com.amazonaws.ecs.container-name"] == "app"]
        assert "canary-8f1d" not in json.dumps(app)
        assert brokers.sealdock("task", "stop", task_id).returncode == 0

    def test_awslogs_stays_on_this_host(self, task, image, family):
        log = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "p"}}
        run = task("run", definition(family, container("app", image, "echo here", logConfiguration=log), networkMode="none"))
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "app") == ["here"]


class TestImages:
    @pytest.fixture
    def registry(self, tmp_path_factory):
        """Debian's Docker registry with one account, on loopback."""
        program = shutil.which("docker-registry")
        assert program, "docker-registry is missing: `make setup` installs it"
        home = tmp_path_factory.mktemp("registry")
        account = subprocess.check_output(["htpasswd", "-Bbn", "ecs", "canary-8f1d-registry"])
        (home / "htpasswd").write_bytes(account)
        port = free_port()
        (home / "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {home}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: test, path: {home}/htpasswd}}}}\n"
        )
        with open(home / "log", "w") as log:
            process = subprocess.Popen([program, "serve", home / "config.yml"], stdout=log, stderr=log)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}", home
        process.terminate()
        process.wait()

    def test_an_account_from_a_secret(self, registry, broker, task, shop, image, family):
        server, home = registry
        name = f"{server}/private/app:1"
        docker("tag", image, name)
        login = ["docker", "--config", home / "docker"]
        subprocess.run([*login, "login", "-u", "ecs", "--password-stdin", server], input=b"canary-8f1d-registry", check=True, capture_output=True)
        pushed = subprocess.run([*login, "push", name], check=True, capture_output=True, text=True).stdout
        digest = pushed.split("digest: ")[1].split()[0]
        docker("image", "rm", name)
        create = shop["client"].create_secret
        good = create(Name=f"launch/registry-{family}", SecretString='{"username":"ecs","Password":"canary-8f1d-registry"}')
        bad = create(Name=f"launch/registry-bad-{family}", SecretString='{"username":"ecs"}')
        pinned = f"{server}/private/app@{digest}"

        def run(reference, credentials):
            app = container("app", reference, "echo pulled")
            if credentials:
                app["repositoryCredentials"] = {"credentialsParameter": credentials}
            return task("run", definition(family, app, networkMode="none"))

        without = run(name, None)
        assert without.returncode == 123 and "CannotPullContainerError" in without.stderr
        malformed = run(name, bad["ARN"])
        assert malformed.returncode == 120, malformed.stderr
        assert "asm fetching password: AuthorizationData is malformed, empty field" in malformed.stderr
        absent = run(name, f"launch/none-{family}")
        assert absent.returncode == 120 and "asm fetching secret from the service" in absent.stderr
        pulled = run(name, good["ARN"])
        assert pulled.returncode == 0, pulled.stderr
        assert lines_of(pulled, "app") == ["pulled"]
        docker("image", "rm", name)
        by_name = run(pinned, f"launch/registry-{family}")
        assert by_name.returncode == 0, by_name.stderr
        assert "canary-8f1d" not in pulled.stderr + malformed.stderr + absent.stderr
        docker("image", "rm", pinned)

    def test_never_pulled(self, task, family):
        app = container("app", "127.0.0.1:1/absent:1", "true")
        run = task("run", definition(family, app), "--pull", "never")
        assert run.returncode == 123 and "not to be fetched" in run.stderr


def test_a_crashed_launcher_leaves_nothing_that_is_not_found(broker, task, image, family, tmp_path):
    document = tmp_path / "task.json"
    document.write_text(json.dumps(definition(family, container("app", image, WAIT), networkMode="awsvpc", volumes=[{"name": "v"}])))
    environment = {**os.environ, "SEALDOCK_ENDPOINT": f"unix:{broker.socket}"}
    process = subprocess.Popen(
        [brokers.BINARY, "task", "run", document], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        if len(docker("ps", "--quiet", "--filter", f"label=com.amazonaws.ecs.task-definition-family={family}").split()) == 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    listed = json.loads(brokers.sealdock("task", "ps", "--json").stdout)
    (found,) = [one for one in listed if one["family"] == family]
    assert brokers.sealdock("task", "stop", found["taskId"]).returncode == 0
    assert containers(family) == []


def cgroup(task_id, controller, file):
    """What the kernel has in the cgroup of a task; version 1 or 2."""
    for directory in (f"/sys/fs/cgroup/{controller}/sealdock/{task_id}", f"/sys/fs/cgroup/sealdock/{task_id}"):
        if os.path.exists(f"{directory}/{file}"):
            with open(f"{directory}/{file}") as opened:
                return opened.read().strip()
    return None


class TestLimits:
    """Limits of the task bound its containers together; this Docker has to have the cgroup driver `cgroupfs`."""

    def test_limits_are_those_of_one_cgroup(self, task, image, family):
        app = container("app", image, WAIT)
        run = task("run", definition(family, app, networkMode="awsvpc", cpu="512", memory="256"), "--detach")
        assert run.returncode == 0 and "bound each container by itself" not in run.stderr, run.stderr
        task_id = run.stdout.strip()
        limit = cgroup(task_id, "memory", "memory.limit_in_bytes") or cgroup(task_id, "memory", "memory.max")
        quota = cgroup(task_id, "cpu", "cpu.cfs_quota_us") or cgroup(task_id, "cpu", "cpu.max").split()[0]
        assert (int(limit), int(quota)) == (256 << 20, 50_000)
        ids = containers(family)
        assert len(ids) == 2  # with the pause container
        for host in json.loads(docker("inspect", *ids)):
            assert host["HostConfig"]["CgroupParent"] == f"/sealdock/{task_id}" and host["HostConfig"]["CpuQuota"] == 0
        assert brokers.sealdock("task", "stop", task_id).returncode == 0
        assert cgroup(task_id, "memory", "memory.limit_in_bytes") is None and cgroup(task_id, "memory", "memory.max") is None
        assert cgroup(task_id, "pids", "pids.current") is None

    def test_two_containers_share_the_memory_of_the_task(self, task, image, family):
        """Each of them alone fits."""
        # Without the end of a line `tail` keeps everything.
        keep = "(head -c 40000000 /dev/zero; sleep 600) | tail > /dev/null"

        def killed(*all_of_them, tenths):
            run = task("run", definition(family, *all_of_them, networkMode="none", memory="64"), "--detach")
            assert run.returncode == 0, run.stderr
            task_id, found = run.stdout.strip(), 0
            for _ in range(tenths):
                # Version 1 counts a kill where the process was, version 2 also above.
                counts = glob.glob(f"/sys/fs/cgroup/memory/sealdock/{task_id}/*/memory.oom_control")
                for path in counts or [f"/sys/fs/cgroup/sealdock/{task_id}/memory.events"]:
                    with open(path) as file:
                        found += int(dict(line.split() for line in file)["oom_kill"])
                if found:
                    break
                time.sleep(0.1)
            assert brokers.sealdock("task", "stop", task_id).returncode == 0
            return found

        first, second = container("first", image, keep), container("second", image, keep, essential=False)
        del first["memory"], second["memory"]
        assert killed(first, tenths=60) == 0
        # A busy machine takes long to fill the memory.
        assert killed(first, second, tenths=400) >= 1


class TestRestarts:
    @pytest.mark.timeout(150)
    def test_ecs_rules(self, task, image, family):
        """Whatever the exit code, unless it is to be ignored, and not before the attempt period of at least 60 seconds."""
        policy = {"enabled": True, "ignoredExitCodes": [3], "restartAttemptPeriod": 60}
        early = container("early", image, "exit 1", essential=False, restartPolicy=policy)
        again = container(
            "again", image, "echo run; [ -e /once ] && exit 3; touch /once; sleep 61; printf end", essential=False,
            restartPolicy=policy,
        )  # fmt: skip
        app = container("app", image, "sleep 66", memory=16)
        run = task("run", definition(family, early, again, app, networkMode="none"), timeout=120)
        assert run.returncode == 0, run.stderr
        assert lines_of(run, "again") == ["run", "end", "run"]
        assert "early: exited with 1" in run.stderr and "early: exited with 1, starting again" not in run.stderr
        assert "again: exited with 0, starting again" in run.stderr and "again: exited with 3\n" in run.stderr


class TestHealth:
    def test_a_container_waits_for_a_health_check(self, task, image, family):
        check = {"command": ["CMD-SHELL", "test -e /ready"], "interval": 5, "timeout": 2, "retries": 1, "startPeriod": 1}
        db = container("db", image, f"sleep 1; touch /ready; {WAIT}", essential=False, healthCheck=check)
        app = container("app", image, "echo up", dependsOn=[{"containerName": "db", "condition": "HEALTHY"}])
        run = task("run", definition(family, db, app, networkMode="none"))
        assert run.returncode == 0 and lines_of(run, "app") == ["up"], run.stderr
        assert run.stderr.index("db: healthy") < run.stderr.index("app: started")

    def test_what_is_unhealthy_is_described(self, task, image, family):
        check = {"command": ["CMD", "false"], "interval": 5, "timeout": 2, "retries": 1}
        run = task("run", definition(family, container("app", image, WAIT, healthCheck=check), networkMode="none"), "--detach")
        task_id = run.stdout.strip()
        for _ in range(150):
            (one,) = json.loads(brokers.sealdock("task", "describe", task_id, "--json").stdout)["tasks"]
            if one["healthStatus"] != "UNKNOWN":
                break
            time.sleep(0.1)
        assert one["healthStatus"] == one["containers"][0]["healthStatus"] == "UNHEALTHY" and one["lastStatus"] == "RUNNING"
        assert brokers.sealdock("task", "stop", task_id).returncode == 0
