"""The one error that operators see."""

from __future__ import annotations


class PgkeelError(Exception):
    """Something an operator can act on: what happened, and what to do about it.

    Modules turn it into ``fail_json(msg=str(error))``. Neither text may contain a secret.
    """

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"{cause.rstrip('.')}. {cure.rstrip('.')}.")
        self.cause = cause
        self.cure = cure
