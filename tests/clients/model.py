"""Requests that break one rule of the service model each, generated from the model that botocore ships.

For each operation there is one request that is right. From it, and from the operation's input shape, come requests that
are wrong in exactly one place: a required member is missing; a length, pattern, range or enumeration is not kept; a
value has another JSON type; a structure has a member that the model does not know. Each case names the place and the rule.
"""

import base64
import copy
import re
from dataclasses import dataclass

import botocore.session

_SESSION = botocore.session.get_session()

OPERATIONS = {
    "secretsmanager": (
        "CreateSecret", "PutSecretValue", "UpdateSecret", "GetSecretValue", "DescribeSecret", "ListSecrets",
        "RestoreSecret", "TagResource", "UntagResource", "ListSecretVersionIds", "UpdateSecretVersionStage",
        "GetRandomPassword", "GetResourcePolicy", "ListResourcePolicies", "PutResourcePolicy", "ValidateResourcePolicy",
        "DeleteResourcePolicy",
        "BatchGetSecretValue", "ReplicateSecretToRegions", "RemoveRegionsFromReplication", "StopReplicationToReplica",
        "RotateSecret", "CancelRotateSecret", "DeleteSecret",
    ),
    "ssm": (
        "PutParameter", "GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory",
        "DescribeParameters", "LabelParameterVersion", "UnlabelParameterVersion", "AddTagsToResource",
        "RemoveTagsFromResource", "ListTagsForResource", "PutResourcePolicy",
        "GetResourcePolicies", "DeleteResourcePolicy", "DeleteParameter", "DeleteParameters",
    ),
    "kms": (
        "CreateKey", "DescribeKey", "ListKeys", "CreateAlias", "UpdateAlias", "ListAliases", "UpdateKeyDescription",
        "TagResource", "ListResourceTags", "UntagResource", "GetKeyPolicy", "PutKeyPolicy", "ListKeyPolicies",
        "EnableKeyRotation", "GetKeyRotationStatus", "RotateKeyOnDemand", "ListKeyRotations", "DisableKeyRotation",
        "DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "DeleteAlias",
    ),
}  # fmt: skip

# Every JSON type, with a value that fits no constraint of the model by accident.
_OTHER_TYPES = {
    "number": 5,
    "text": "text",
    "object": {"unexpected": "member"},
    "array": ["element"],
    "boolean": True,
}
# Which of them a member of this shape takes. A number for text is one too many for AWS as well.
_TAKES = {
    "string": {"text"},
    "blob": {"text"},
    "integer": {"number"},
    "long": {"number"},
    "boolean": {"boolean"},
    "list": {"array"},
    "structure": {"object"},
    "map": {"object"},
}


@dataclass(frozen=True)
class Case:
    service: str
    operation: str
    place: str
    rule: str
    path: tuple
    value: object
    missing: bool = False

    def __str__(self):
        return f"{self.operation}-{self.place}-{self.rule}"

    def broken(self, request):
        """The request with this case's fault in it."""
        request = copy.deepcopy(request)
        here = request
        for step, following in zip(self.path, self.path[1:]):
            empty = [] if isinstance(following, int) else {}
            if isinstance(step, int):
                if step >= len(here):
                    here.append(empty)
            else:
                here.setdefault(step, empty)
            here = here[step]
        last = self.path[-1]
        if self.missing:
            here.pop(last, None)
        elif isinstance(last, int):
            here[last:] = [self.value]
        else:
            here[last] = self.value
        return request


def errors_of(service, operation):
    """The error codes that the model lists for an operation, and those that every operation has."""
    shapes = _SESSION.get_service_model(service).operation_model(operation).error_shapes
    return {shape.name for shape in shapes} | {"ValidationException", "SerializationException"}


def _sample(shape):
    """A value that keeps the shape's rules."""
    if shape.enum if shape.type_name == "string" else False:
        return shape.enum[0]
    low = shape.metadata.get("min", 0)
    match shape.type_name:
        case "string":
            return "a" * max(low, 1)
        case "blob":
            return base64.b64encode(b"a" * max(low, 1)).decode()
        case "integer" | "long":
            return max(low, 1)
        case "boolean":
            return True
        case "list":
            return [_sample(shape.member) for _ in range(max(low, 1))]
        case _:
            return {name: _sample(shape.members[name]) for name in shape.required_members}


def _unmatched(pattern, low, high):
    """A text of a permitted length that the pattern does not match."""
    compiled = re.compile(re.sub(r"\\p\{([LZN])\}", lambda m: {"L": "A-Za-z", "Z": " ", "N": "0-9"}[m[1]], pattern))
    for character in ("!", "*", "\u2603", "\x07", "|"):
        text = character * max(low, 1)
        if len(text) <= high and not compiled.fullmatch(text):
            return text
    return None


def _constraints(shape):
    """(rule, value) for each bound of a shape."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string":
            if shape.enum:
                yield "enum", "NoSuchChoice"
                return
            if low:
                yield "too-short", "a" * (low - 1)
            if high:
                yield "too-long", "a" * (high + 1)
            if pattern := shape.metadata.get("pattern"):
                if (text := _unmatched(pattern, low or 0, high or 64)) is not None:
                    yield "pattern", text
        case "blob":
            if low:
                yield "too-short", base64.b64encode(b"a" * (low - 1)).decode()
            if high:
                yield "too-long", base64.b64encode(b"a" * (high + 1)).decode()
            yield "not-base64", "%%%"
        case "integer" | "long":
            if low is not None:
                yield "too-small", low - 1
            if high is not None:
                yield "too-large", high + 1
            yield "far-too-large", 2**70
            yield "fraction", 1.5
        case "list":
            if low:
                yield "too-few", [_sample(shape.member)] * (low - 1)
            if high:
                yield "too-many", [_sample(shape.member)] * (high + 1)


def _cases(service, operation, shape, path, place):
    def case(rule, value=None, missing=False, path=path):
        return Case(service, operation, place or "input", rule, path, value, missing)

    if path:
        for rule, value in _constraints(shape):
            yield case(rule, value)
        for kind, value in _OTHER_TYPES.items():
            if kind not in _TAKES.get(shape.type_name, set(_OTHER_TYPES)):
                yield case(f"is-{kind}", value)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            inner = f"{place}.{name}" if place else name
            if name in shape.required_members:
                yield Case(service, operation, inner, "missing", path + (name,), None, True)
            yield from _cases(service, operation, member, path + (name,), inner)
        yield case("unknown-member", {"a": [1]}, path=path + ("NoSuchMember",))
    elif shape.type_name == "list":
        yield from _cases(service, operation, shape.member, path + (0,), f"{place}[]")


def cases():
    for service, operations in OPERATIONS.items():
        for operation in operations:
            shape = _SESSION.get_service_model(service).operation_model(operation).input_shape
            yield from _cases(service, operation, shape, (), "")
