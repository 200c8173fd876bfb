"""Errors that the appliance raises on purpose, with the names that the API contract gives them.

`SetupError` is for whoever starts the appliance (exit status 2, one line). `OperationError` and its
children are for whoever calls it; `contract_name` and `status` are what http.md 2.2 promises.
"""

from __future__ import annotations

from typing import ClassVar


class SetupError(Exception):
    """The appliance cannot start as asked; the message says what is wrong and how to mend it."""


class OperationError(Exception):
    """An operation was refused. The contract's error class is `contract_name`, its HTTP status `status`."""

    status: ClassVar[int] = 400
    retry_after_s: int | None = None
    """After how many seconds it is worth another try, where that is known."""

    @property
    def contract_name(self) -> str:
        """The stable class name that clients branch on (contract http.md 2.2)."""
        return type(self).__name__


class ValidatorError(OperationError):
    """A parameter is malformed or out of range; the message names it and says what is allowed."""


class UnauthorizedError(OperationError):
    """No credentials were presented."""

    status = 401


class ForbiddenError(OperationError):
    """Credentials were presented and are wrong."""

    status = 403


class TooManyAttemptsError(OperationError):
    """Too many wrong credentials came from there; right ones are not looked at either for *retry_after_s*."""

    status = 429

    def __init__(self, text: str, retry_after_s: int) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class UnavailableError(OperationError):
    """There is no picture to give."""

    status = 503
