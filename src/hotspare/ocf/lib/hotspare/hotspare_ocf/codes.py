"""OCF's exit codes and the error that carries one. Source: OCF Resource Agent API 1.1, "Return codes"."""

SUCCESS = 0
ERR_GENERIC = 1
ERR_ARGS = 2
ERR_UNIMPLEMENTED = 3
ERR_PERM = 4
ERR_INSTALLED = 5  # hard: Pacemaker will not try this node again
ERR_CONFIGURED = 6  # fatal: Pacemaker will not try any node
NOT_RUNNING = 7
RUNNING_PROMOTED = 8
FAILED_PROMOTED = 9
DEGRADED = 190  # runs, with a trouble that is told; Pacemaker recovers nothing


class OcfError(Exception):
    """An action that cannot succeed; `reason` is one sentence: what is wrong and what to do."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
