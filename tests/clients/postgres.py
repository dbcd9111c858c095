"""A PostgreSQL of a test's own, on a free port of loopback, with passwords only: its superuser is `keeper`."""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

KEEPER = {"username": "keeper", "password": "kept"}


@contextmanager
def running(place):
    """Starts one with its files in `place`, and gives its port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found or shutil.which("initdb"), "PostgreSQL is not installed; run tests/scripts/setup.sh"
    bin = found[-1].parent if found else Path(shutil.which("initdb")).parent
    # PostgreSQL does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    secret = place / "superuser"
    secret.write_text(KEEPER["password"])
    if user:
        for directory in (place, *place.parents[:3]):
            directory.chmod(0o755)
        shutil.chown(place, user)
        shutil.chown(secret, user)
    run = {"user": user, "cwd": place, "check": True, "capture_output": True, "timeout": 60}
    init = [bin / "initdb", "-D", "data", "-U", KEEPER["username"], "-A", "scram-sha-256", f"--pwfile={secret}"]
    subprocess.run(init, **run)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    control = [bin / "pg_ctl", "-D", "data", "-w", "-l", "log"]
    subprocess.run([*control, "-o", options, "start"], **{**run, "capture_output": False, "stdout": subprocess.DEVNULL})
    try:
        yield port
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **run)


def made_user(port, name, password="first"):
    """A new user; the value of a secret for it."""
    sql(port, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    return {"engine": "postgres", "host": "127.0.0.1", "port": port, "username": name, "password": password, "dbname": "postgres"}


def sql(port, statement, user=KEEPER):
    """What a statement answers, without headers."""
    done = _psql(port, user, statement)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def signs_in(port, user):
    """Whether the user of a secret's value can."""
    return _psql(port, user, "SELECT 1").returncode == 0


def _psql(port, user, statement):
    command = ["psql", "-X", "-w", "-A", "-t", "-h", "127.0.0.1", "-p", str(port), "-U", user["username"], "-d", "postgres", "-c", statement]
    environment = {**os.environ, "PGPASSWORD": user["password"]}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
