"""Files that people have: what `task plan` understands of them, and what it says about the rest. No broker and no Docker is asked."""

import json

import pytest

import broker as brokers

ROLE = "arn:aws:iam::111122223333:role/exec"


@pytest.fixture
def plan(tmp_path):
    def run(text, *more, name="task.json"):
        file = tmp_path / name
        file.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
        return brokers.sealdock("task", "plan", file, *more)

    return run


def understood(run, *lines):
    assert run.returncode == 0, run.stderr
    for line in lines:
        assert line in run.stdout, run.stdout
    return run


def refused(run, *parts):
    assert run.returncode == 2, run.stdout
    for part in parts:
        assert part in run.stderr, run.stderr


TEMPLATE = """
Parameters:
  Tag: {Type: String, Default: '1.25'}
  Role: {Type: String}
Conditions:
  WithProxy: !Equals [!Ref Tag, none]
Resources:
  Db: {Type: AWS::SecretsManager::Secret}
  Web:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: 256
      Memory: 0.5 GB
      ExecutionRoleArn: !Ref Role
      ContainerDefinitions:
        - Name: web
          Image: !Sub 'nginx:${Tag}'
          Environment: [{Name: PORT, Value: 80}]
          Secrets: [{Name: PW, ValueFrom: !Join ['', [!Ref Db, ':password::']]}]
          DockerLabels: {Name: kept}
        - !If [WithProxy, {Name: proxy, Image: envoy}, !Ref 'AWS::NoValue']
"""


class TestForms:
    def test_a_cloudformation_template(self, plan):
        values = ("--set", f"Role={ROLE}", "--set", "Db=arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf")
        run = understood(
            plan(TEMPLATE, *values, name="stack.yaml"), "task Web", "image nginx:1.25",
            "PW <- arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf:password::",
        )  # fmt: skip
        assert "proxy" not in run.stdout
        refused(
            plan(TEMPLATE, name="stack.yaml"), "`Ref` of `Role` has no value here", "`Ref` of `Db` has no value here",
            "the resource `Db` (AWS::SecretsManager::Secret)", "--set 'Db=VALUE'", "stack.yaml:14:",
        )  # fmt: skip

    def test_a_template_with_several(self, plan):
        one = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": "i", "Memory": 64}]}}
        template = {"Resources": {"Web": one, "Worker": one, "Topic": {"Type": "AWS::SNS::Topic"}}}
        refused(plan(template), "2 task definitions", "--select NAME`: Web, Worker")
        understood(plan(template, "--select", "Worker"), "task Worker")
        refused(plan(template, "--select", "Wroker"), "did you mean `Worker`?")

    def test_a_terraform_template(self, plan):
        text = '[{"name": "${name}", "image": "${image}:latest", "cpu": ${cpu}, "portMappings": ${ports}, "startTimeout": null,},]'
        run = plan(text)
        refused(run, "`${name}` is a placeholder", "`${cpu}` is a placeholder", "--set 'ports=VALUE'", "task.json:1:")
        values = [f"--set={pair}" for pair in ("name=web", "image=nginx", "cpu=256", 'ports=[{"containerPort": 80}]')]
        understood(plan(text, *values), "task task", "container web (essential), image nginx:latest")

    def test_values_from_a_file(self, plan, tmp_path):
        (tmp_path / "values.tfvars").write_text('# comment\nimage = "nginx"\ntag=1\n')
        text = {"family": "f", "containerDefinitions": [{"name": "a", "image": "{{ .image }}:<tag>", "memory": 64}]}
        understood(plan(text, "--vars", tmp_path / "values.tfvars"), "image nginx:1")
        unused = plan(text, "--vars", tmp_path / "values.tfvars", "--set", "imgae=x")
        assert "no" not in unused.stderr.split("imgae")[0][-5:] and "name `imgae`" in unused.stderr

    def test_the_output_of_terraform_show(self, plan):
        containers = [{"name": "web", "image": "nginx", "secrets": [{"name": "A", "valueFrom": "/a"}]}]
        values = {
            "arn": None, "family": "web", "container_definitions": json.dumps(containers), "cpu": "256", "memory": "512",
            "network_mode": "awsvpc", "execution_role_arn": ROLE, "requires_compatibilities": ["FARGATE"], "pid_mode": "",
            "runtime_platform": [], "tags": {"a": "b"}, "tags_all": {}, "track_latest": False, "skip_destroy": False,
            "volume": [{"name": "v", "host_path": "", "configure_at_launch": False, "docker_volume_configuration": [],
                        "efs_volume_configuration": [{"file_system_id": "fs-1", "root_directory": "/", "transit_encryption": "", "authorization_config": []}]}],
        }  # fmt: skip
        show = {
            "format_version": "1.0", "terraform_version": "1.9.0",
            "values": {"root_module": {"child_modules": [{"resources": [
                {"address": "module.web.aws_ecs_task_definition.this", "type": "aws_ecs_task_definition", "values": values},
            ]}]}},
        }  # fmt: skip
        understood(plan(show), "task web, execution role " + ROLE, "variable A <- /a")

    def test_others_are_told_apart(self, plan):
        for text, words in [
            ('resource "aws_ecs_task_definition" "a" {\n}', "Terraform's language"),
            ("name: api\ntype: Load Balanced Web Service\nimage:\n  port: 80\n", "Copilot manifest"),
            ("apiVersion: v1\nkind: Pod\n", "Kubernetes"),
            ('{"cluster": "default", "taskDefinition": "web:4"}', "RunTask"),
            ('[{"name": "web", "imageUri": "nginx"}]', "image definitions"),
            ('{"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}', "no resource of type AWS::ECS::TaskDefinition"),
        ]:
            refused(plan(text), words)

    def test_one_container_and_beanstalk(self, plan):
        understood(plan({"name": "web", "image": "nginx"}), "container web")
        dockerrun = {"AWSEBDockerrunVersion": 2, "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 128}]}
        understood(plan(dockerrun), "container web")


class TestMistakes:
    def test_comments_and_other_types(self, plan):
        text = """{ // what runs
          "family": "f", /* two */ "executionRoleArn": "%s",
          "containerDefinitions": [{"name": "a", "image": "i", "memory": "128", "essential": "true",
            "environment": {"A": 1}, "portMappings": [{"containerPort": "80",}],}],
        }""" % ROLE
        run = understood(plan(text), "container a")
        assert "note[JSON0002]" in run.stderr and "note[ECS0010]" in run.stderr and "error" not in run.stderr

    def test_account_and_region_that_stand_for_something(self, plan):
        text = {
            "family": "f", "executionRoleArn": "arn:aws:iam::XXXXXXXXXXXX:role/exec",
            "containerDefinitions": [{"name": "a", "image": "i", "memory": 64, "secrets": [
                {"name": "K", "valueFrom": "arn:aws:secretsmanager:region:aws_account_id:secret:n-AbCdEf"}]}],
        }  # fmt: skip
        refused(plan(text), "`XXXXXXXXXXXX` in this ARN", "`aws_account_id` in this ARN", "`region` in this ARN")
        values = [f"--set={pair}" for pair in ("XXXXXXXXXXXX=111122223333", "aws_account_id=111122223333", "region=eu-west-1")]
        understood(plan(text, *values), "secretsmanager:eu-west-1:111122223333:secret:n-AbCdEf")

    @pytest.mark.parametrize(
        "reference, help",
        [
            ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:n:key", "secret:n:key::`?"),
            ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:n:key:", "secret:n:key::`?"),
            ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:n:", "secret:n`?"),
            ("n:key::", "arn:aws:secretsmanager:REGION:ACCOUNT:secret:n:key::"),
            ("/app/db:3", "did you mean `/app/db`?"),
            (" /app/db", "blank"),
            ("arn:aws:ssm:eu-west-1:111122223333:parameter:app", "parameter/app`?"),
            ("{{resolve:secretsmanager:n:SecretString:key}}", "resolved by CloudFormation only"),
            ("${DB_ARN}", "--set 'DB_ARN=VALUE'"),
        ],
    )
    def test_a_reference_that_is_none(self, plan, reference, help):
        container = {"name": "a", "image": "i", "memory": 64, "secrets": [{"name": "K", "valueFrom": reference}]}
        refused(plan({"family": "f", "executionRoleArn": ROLE, "containerDefinitions": [container]}), help)

    def test_commands_may_hold_what_looks_like_a_placeholder(self, plan):
        container = {
            "name": "a", "image": "i", "memory": 64, "command": ["sh", "-c", "echo ${HOME} $(date) <file>"],
            "healthCheck": {"command": ["CMD-SHELL", "test -n ${X}"]},
            "logConfiguration": {"logDriver": "json-file", "options": {"tag": "{{.Name}}"}},
            "environment": [{"name": "A", "value": "$HOME"}, {"name": "B", "value": "${B}"}],
        }  # fmt: skip
        run = understood(plan({"family": "f", "containerDefinitions": [container]}), "container a")
        assert run.stderr.count("looks like a placeholder") == 1 and "`${B}`" in run.stderr


class TestOtherTools:
    def test_a_plan_and_a_configuration_of_terraform(self, plan):
        containers = json.dumps([{"name": "web", "image": "nginx", "memory": 64}])
        values = {"family": "web", "network_mode": "bridge", "container_definitions": containers}
        changes = {"resource_changes": [
            {"address": "aws_ecs_task_definition.web", "type": "aws_ecs_task_definition", "change": {"actions": ["create"], "before": None, "after": values}},
            {"address": "aws_ecs_task_definition.old", "type": "aws_ecs_task_definition", "change": {"actions": ["delete"], "before": values, "after": None}},
        ]}  # fmt: skip
        understood(plan(changes), "task web", "container web")
        planned = {"planned_values": {"root_module": {"resources": [{"address": "module.a.aws_ecs_task_definition.web", "values": values}]}}}
        understood(plan(planned), "task web", "container web")
        written = {"resource": {"aws_ecs_task_definition": {"web": {**values, "execution_role_arn": "${aws_iam_role.exec.arn}"}}}}
        refused(plan(written), "--set 'aws_iam_role.exec.arn=VALUE'")
        understood(plan(written, "--set", f"aws_iam_role.exec.arn={ROLE}"), f"task web, execution role {ROLE}")

    def test_what_beanstalk_adds(self, plan):
        web = {"name": "web", "image": "nginx", "memory": 64, "mountPoints": [{"sourceVolume": "awseb-logs-web", "containerPath": "/var/log/nginx"}]}
        dockerrun = {"AWSEBDockerrunVersion": 2, "authentication": {"bucket": "b", "key": "k"}, "containerDefinitions": [web]}
        run = understood(plan(dockerrun), "container web")
        assert "`authentication` is Elastic Beanstalk's" in run.stderr
        refused(plan({"AWSEBDockerrunVersion": "1", "Image": {"Name": "nginx"}}), "Dockerrun file of version 1")

    def test_placeholders_of_other_kinds(self, plan):
        text = '{"family": "f", "containerDefinitions": [{"name": "a", "image": "$$$IMAGE$$$", "memory": [[MEMORY]], "environment": ENVIRONMENT}]}'
        run = plan(text)
        refused(run, "--set 'IMAGE=VALUE'", "--set 'MEMORY=VALUE'", "--set 'ENVIRONMENT=VALUE'")
        assert "JSON0001" not in run.stderr
        values = [f"--set={pair}" for pair in ("IMAGE=nginx", "MEMORY=64", 'ENVIRONMENT=[{"name": "A", "value": "1"}]')]
        understood(plan(text, *values), "image nginx")
        text = {"family": "f", "containerDefinitions": [{"name": "a", "image": "{{ tfstate `x['y'].url` }}:1", "memory": 64}]}
        run = plan(text)
        refused(run, """--set "x['y'].url=VALUE\"""")
        assert run.stderr.count("error[") == 1, run.stderr

    def test_the_tutorial_of_the_ecs_cli(self, plan, tmp_path):
        (tmp_path / "ecs-params.yml").write_text(
            "version: 1\ntask_definition:\n  task_execution_role: ecsTaskExecutionRole\n  ecs_network_mode: awsvpc\n"
            "  os_family: Linux\n  task_size:\n    mem_limit: 0.5GB\n    cpu_limit: 256\n"
        )
        compose = "version: '3'\nservices:\n  web:\n    image: amazon/amazon-ecs-sample\n    ports:\n      - \"80:80\"\n"
        run = understood(plan(compose, name="docker-compose.yml"), "container web")
        assert "warning" not in run.stderr

    def test_one_name_in_many_places_is_one_error(self, plan):
        containers = [{"name": f"c{n}", "image": "${REPOSITORY}/app", "memory": 64} for n in range(4)]
        run = plan({"family": "f", "containerDefinitions": containers})
        refused(run, "${REPOSITORY}")
        assert run.stderr.count("error[ECS0020]") == 1 and run.stderr.count("and here") == 3, run.stderr


class TestEnvironmentFiles:
    def test_odd_lines_are_remarked_on(self, plan, tmp_path):
        (tmp_path / "app.env").write_bytes("\ufeffA=1\nexport B=2\r\nC=\"3\"\nnothing\nD = 4\n# E\nF=\n=7\n".encode())
        container = {"name": "a", "image": "i", "memory": 64, "environmentFiles": [{"value": "arn:aws:s3:::b/app.env", "type": "s3"}]}
        task = {"family": "f", "executionRoleArn": ROLE, "containerDefinitions": [container]}
        run = understood(plan(task, "--s3", f"arn:aws:s3:::b/={tmp_path}"), "variables from arn:aws:s3:::b/app.env")
        for part in ["line 1 begins with a byte order mark", "line 2 sets a variable of the name `export B`", "line 3 keeps the quotes",
                     "line 4 has no `=`", "line 5 sets a variable of the name `D `", "and so do 1 others"]:  # fmt: skip
            assert part in run.stderr, run.stderr

    @pytest.mark.parametrize(
        "content, words",
        [(b"A=\xff\n", "valid UTF-8"), (b"A=" + b"x" * 70_000, "line 1 is longer than 64 KiB"), (b"A=1\n" * 3_000_000, "more than 8 MiB")],
        ids=["no text", "a long line", "a large file"],
    )  # fmt: skip
    def test_what_cannot_be_read_is_said(self, plan, tmp_path, content, words):
        (tmp_path / "app.env").write_bytes(content)
        container = {"name": "a", "image": "i", "memory": 64, "environmentFiles": [{"value": "arn:aws:s3:::b/app.env", "type": "s3"}]}
        run = plan({"family": "f", "containerDefinitions": [container]}, "--s3", f"arn:aws:s3:::b/={tmp_path}")
        assert run.returncode == 0 and words in run.stderr, run.stderr
