"""Random histories of one secret, over the API, beside the model of AWS's documented rules: each answer or refusal, and all
versions with their labels after each step.

The seeds are fixed, so that a run finds what the last one found; SEALDOCK_HISTORIES asks for more of them.
"""

import os
import random
import uuid

import pytest
from botocore.exceptions import ClientError

import secret_model

STEPS = 60
LABELS = [secret_model.CURRENT, secret_model.PREVIOUS, secret_model.PENDING, "blue", "green"]


class History:
    """One secret in the broker and in the model, and the operations that were tried on them."""

    def __init__(self, secrets, name, value, seed):
        self.secrets, self.name, self.random = secrets, name, random.Random(seed)
        self.model = secret_model.Secret()
        self.done = []
        # Few, so that they are met again: as the token of a repeated request, or of one with another content.
        self.tokens = [str(uuid.UUID(int=self.random.getrandbits(128), version=4)) for _ in range(6)]
        self.contents = [f"{value}-{number}" for number in range(2)]

    def maybe(self, choices, chance=0.5):
        return self.random.choice(choices) if self.random.random() < chance else None

    def step(self):
        operations = {
            self.create: 2, self.put: 6, self.update: 3, self.move_stage: 8, self.delete: 1, self.restore: 2,
            self.destroy: 0.2, self.get: 3,
        }  # fmt: skip
        self.random.choices(list(operations), list(operations.values()))[0]()

    def create(self):
        token, value = self.random.choice(self.tokens), self.maybe(self.contents, 0.8)
        self.compare(
            lambda: self.model.create(token, value),
            self.secrets.create_secret,
            Name=self.name, ClientRequestToken=token, SecretString=value,
        )  # fmt: skip

    def put(self):
        token, value = self.random.choice(self.tokens), self.random.choice(self.contents)
        stages = self.random.choice([None, *([label] for label in LABELS), ["blue", "AWSPENDING"], ["green", "AWSCURRENT"]])
        self.compare(
            lambda: self.model.put(token, value, stages),
            self.secrets.put_secret_value,
            ClientRequestToken=token, SecretString=value, VersionStages=stages,
        )  # fmt: skip

    def update(self):
        token, value = self.random.choice(self.tokens), self.maybe(self.contents, 0.8)
        self.compare(
            lambda: self.model.update(token, value),
            self.secrets.update_secret,
            ClientRequestToken=token, SecretString=value,
        )  # fmt: skip

    def move_stage(self):
        stage, to = self.random.choice(LABELS), self.maybe(self.tokens, 0.8)
        source = self.maybe(self.tokens)
        if self.model.exists and self.random.random() < 0.6:
            source = next((id for id, stages in self.model.versions() if stage in stages), None)
        self.compare(
            lambda: self.model.move_stage(stage, to, source),
            self.secrets.update_secret_version_stage,
            VersionStage=stage, MoveToVersionId=to, RemoveFromVersionId=source,
        )  # fmt: skip

    def delete(self):
        self.compare(self.model.delete, self.secrets.delete_secret)

    def restore(self):
        self.compare(self.model.restore, self.secrets.restore_secret)

    def destroy(self):
        self.compare(self.model.destroy, self.secrets.delete_secret, ForceDeleteWithoutRecovery=True)

    def get(self):
        version, stage = self.maybe(self.tokens), self.maybe(LABELS)
        self.compare(
            lambda: self.model.get(version, stage),
            self.secrets.get_secret_value,
            VersionId=version, VersionStage=stage,
        )  # fmt: skip

    def compare(self, expected, operation, **request):
        request = {member: value for member, value in request.items() if value is not None}
        if "Name" not in request:
            request["SecretId"] = self.name
        self.done.append((operation.__name__, request))
        try:
            wanted = expected()
        except secret_model.Refused as refused:
            wanted = refused.code
        try:
            answer = operation(**request)
            found = {
                member: answer[member]
                for member in ("VersionId", "VersionStages", "SecretString")
                if member in answer
            }
            # The model shows what a member without content has to say; the service leaves it out.
            if isinstance(wanted, dict):
                found.update({member: [] for member, value in wanted.items() if value == [] and member not in found})
        except ClientError as error:
            found = error.response["Error"]["Code"]
        assert found == wanted, self.trace()
        assert self.versions() == (self.model.versions() if self.model.exists else None), self.trace()

    def versions(self):
        """All versions in the broker, and that the two operations which show labels agree."""
        try:
            described = self.secrets.describe_secret(SecretId=self.name).get("VersionIdsToStages", {})
        except self.secrets.exceptions.ResourceNotFoundException:
            return None
        listed = self.secrets.list_secret_version_ids(SecretId=self.name, IncludeDeprecated=True)["Versions"]
        found = [(version["VersionId"], version.get("VersionStages", [])) for version in listed]
        assert described == {id: stages for id, stages in found if stages}
        return found

    def trace(self):
        return "\n".join(f"{operation} {request}" for operation, request in self.done)


@pytest.mark.parametrize("seed", range(int(os.environ.get("SEALDOCK_HISTORIES", "6"))))
def test_a_random_history_is_the_one_of_the_documented_rules(secrets, name, value, seed):
    history = History(secrets, name, value, seed)
    for _ in range(STEPS):
        history.step()
    # A history in which nothing happens would prove nothing.
    assert len({operation for operation, _ in history.done}) >= 6
