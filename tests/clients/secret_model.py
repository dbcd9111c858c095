"""What AWS's documentation says about versions and staging labels, as a model of one secret that is small enough to read.

Written from the API Reference (CreateSecret, PutSecretValue, UpdateSecret, UpdateSecretVersionStage, DeleteSecret,
RestoreSecret, GetSecretValue) and the User Guide ("Secret versions"), not from this project's code. Each operation returns
what the answer has to say, or raises `Refused` with the error code.
"""

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
EXISTS = "ResourceExistsException"
INVALID_PARAMETER = "InvalidParameterException"
INVALID_REQUEST = "InvalidRequestException"
NOT_FOUND = "ResourceNotFoundException"


class Refused(Exception):
    @property
    def code(self):
        return self.args[0]


class Secret:
    """The secret of one name, which may not exist. `values` and `stages` are by version id, oldest version first."""

    def __init__(self):
        self.exists = False

    def create(self, token, value):
        if self.exists:
            if self.marked:
                raise Refused(INVALID_REQUEST)
            # The repetition of a request is ignored; a name that is taken is taken.
            if value is None or self.values.get(token) != value:
                raise Refused(EXISTS)
            return {"VersionId": token}
        self.exists, self.marked, self.values, self.stages = True, False, {}, {}
        if value is None:
            return {}
        self._add(token, value, {CURRENT})
        return {"VersionId": token}

    def put(self, token, value, stages=None):
        self._require_unmarked()
        if not self._repeats(token, value):
            # The first version is the current one, whatever is asked for.
            first = set() if self.values else {CURRENT}
            self._add(token, value, set(stages or [CURRENT]) | first)
        return {"VersionId": token, "VersionStages": sorted(self.stages[token])}

    def update(self, token, value):
        self._require_unmarked()
        if value is None:
            return {}
        if not self._repeats(token, value):
            self._add(token, value, {CURRENT})
        return {"VersionId": token}

    def move_stage(self, stage, to, source):
        self._require_unmarked()
        for version in (to, source):
            if version is not None and version not in self.values:
                raise Refused(NOT_FOUND)
        holder = self._holder(stage)
        # The version that has the label must be named, and no other.
        if source != holder and not (source is None and to == holder):
            raise Refused(INVALID_PARAMETER)
        if to is None and (stage == CURRENT or holder is None):
            raise Refused(INVALID_PARAMETER)
        if to != holder:
            if holder is not None:
                self.stages[holder].discard(stage)
            if to is not None:
                self.stages[to].add(stage)
            if stage == CURRENT and holder is not None:
                self._previous(holder)
        return {}

    def delete(self):
        self._require_unmarked()
        self.marked = True
        return {}

    def restore(self):
        if not self.exists:
            raise Refused(NOT_FOUND)
        self.marked = False
        return {}

    def destroy(self):
        """Forced deletion, which may be repeated."""
        self.exists = False
        return {}

    def get(self, version, stage):
        self._require_unmarked()
        if version is None:
            version = self._holder(stage or CURRENT)
        if version not in self.values:
            raise Refused(NOT_FOUND)
        if stage is not None and stage not in self.stages[version]:
            raise Refused(INVALID_REQUEST)
        return {
            "VersionId": version,
            "SecretString": self.values[version],
            # A version without labels has none to show.
            "VersionStages": sorted(self.stages[version]),
        }

    def versions(self):
        return [(version, sorted(self.stages[version])) for version in self.values]

    def _require_unmarked(self):
        if not self.exists:
            raise Refused(NOT_FOUND)
        if self.marked:
            raise Refused(INVALID_REQUEST)

    def _repeats(self, token, value):
        if token in self.values and self.values[token] != value:
            raise Refused(EXISTS)
        return token in self.values

    def _holder(self, stage):
        return next((version for version, stages in self.stages.items() if stage in stages), None)

    def _add(self, token, value, wanted):
        current = self._holder(CURRENT)
        for stages in self.stages.values():
            stages -= wanted
        self.values[token], self.stages[token] = value, wanted
        if CURRENT in wanted and current is not None:
            # A rotation that has come to its end leaves AWSPENDING beside AWSCURRENT, until there is a newer value.
            self.stages[current].discard(PENDING)
            self._previous(current)

    def _previous(self, version):
        for stages in self.stages.values():
            stages.discard(PREVIOUS)
        self.stages[version].add(PREVIOUS)
