"""Compose files with `ecs-params.yml`, as the ECS CLI took them, on this machine's Docker."""

import json

import broker as brokers
from test_launch import ROLE, broker, containers, docker, family, image, shop  # noqa: F401  (fixtures)
from test_task_runs import lines_of, nothing_is_left  # noqa: F401  (fixture)

COMPOSE = """version: "3"
name: {family}
services:
  app:
    image: {image}
    command: sh -c 'echo "$X_ENV $X_FILE $X_SECRET"; cat /d/file; cat /conf/name; exit 3'
    environment: [X_ENV=own]
    env_file: app.env
    volumes: ["shared:/d", "./conf:/conf:ro"]
    depends_on: {{writer: {{condition: service_completed_successfully}}}}
  writer:
    image: {image}
    command: ["sh", "-c", "echo written > /d/file"]
    volumes: ["shared:/d"]
volumes:
  shared:
"""

PARAMS = """version: 1
task_definition:
  ecs_network_mode: none
  task_execution_role: {role}
  services:
    app:
      mem_limit: 32m
      secrets:
        - value_from: {secret}
          name: X_SECRET
    writer:
      essential: false
      mem_limit: 32m
"""


def project(tmp_path, family, image, secret):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "name").write_text("conf\n")
    (tmp_path / "app.env").write_text("X_FILE=file\nX_ENV=file\n")
    (tmp_path / "docker-compose.yml").write_text(COMPOSE.format(family=family, image=image))
    (tmp_path / "params.yml").write_text(PARAMS.format(role=ROLE, secret=secret))
    return tmp_path / "docker-compose.yml", tmp_path / "params.yml"


def test_services_become_one_task(broker, shop, image, family, tmp_path):
    compose, params = project(tmp_path, family, image, shop["token"])
    run = brokers.sealdock(
        "task", "run", compose, "--ecs-params", params, "--json", SEALDOCK_ENDPOINT=f"unix:{broker.socket}"
    )
    assert run.returncode == 3, run.stderr
    assert lines_of(run, "app") == ["own file canary-8f1d-token", "written", "conf"]
    assert "app: waits for writer SUCCESS" in run.stderr
    outcome = json.loads(run.stdout[run.stdout.index("{") :])
    assert [one["name"] for one in outcome["containers"]] == ["writer", "app"]
    assert outcome["containers"][0]["dockerName"].startswith(f"ecs-{family}-")


def test_params_beside_the_file_are_found(broker, shop, image, family, tmp_path):
    compose, params = project(tmp_path, family, image, shop["token"])
    params.rename(tmp_path / "ecs-params.yml")
    planned = brokers.sealdock("task", "plan", compose)
    assert planned.returncode == 0 and "variable X_SECRET <- arn:aws:secretsmanager" in planned.stdout, planned.stderr
    shown = brokers.sealdock("task", "plan", compose, "--json")
    assert json.loads(shown.stdout)["executionRoleArn"] == ROLE


def test_mistakes_are_shown_in_their_file(shop, image, family, tmp_path):
    compose, params = project(tmp_path, family, image, "arn:aws:secretsmanager:eu-central-1:1:secret:a:b")
    params.write_text(params.read_text().replace("mem_limit: 32m", "mem_limt: 32m", 1))
    compose.write_text(compose.read_text().replace("env_file:", "env_fil:"))
    refused = brokers.sealdock("task", "plan", compose, "--ecs-params", params)
    assert refused.returncode == 2
    assert f"{compose}:8:5" in refused.stderr and "did you mean `env_file`?" in refused.stderr
    assert f"{params}:7:7" in refused.stderr and "did you mean `mem_limit`?" in refused.stderr
    assert f"{params}:9:23" in refused.stderr, refused.stderr
    alone = tmp_path / "task.json"
    alone.write_text(json.dumps({"family": family, "containerDefinitions": []}))
    refused = brokers.sealdock("task", "plan", alone, "--ecs-params", params)
    assert refused.returncode == 2 and "goes with a Compose file" in refused.stderr
