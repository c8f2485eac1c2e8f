"""Errors with their wire identity. Raised where the fact is known; encoded in one place (`wire`).

A service's `errors.py` declares its own, named as the shape in botocore's model:

    class NotFoundException(ServiceError):
        status = 404

`code` defaults to the class's name. Members of the modeled error shape beyond the message are given as keywords and
reach the client: `BadRequestException("...", limit=3)`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ServiceError(Exception):
    """An error that AWS would give. `code` and `status` (HTTP) are its identity; `members` fill its modeled shape."""

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400

    def __init_subclass__(cls) -> None:
        if "code" not in cls.__dict__:
            cls.code = cls.__name__

    def __init__(self, message: str = "", /, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class RemoteError(ServiceError):
    """An error that a service answered with and that the caller passes on: code and status are known at run time."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message, **members)
        self.code = code  # type: ignore[misc]
        self.status = status  # type: ignore[misc]


class InternalFailure(ServiceError):
    """A bug of ours. The client gets a request id and no detail; the log gets the traceback."""

    status = 500


class NotImplementedYet(ServiceError):
    """A modeled operation (or a part of one) that Forecourt does not have. Never answered with a pretended success."""

    code = "NotImplementedException"
    status = 501


class UnknownOperation(ServiceError):
    code = "UnknownOperationException"
    status = 404


class AccessDenied(ServiceError):
    """`AccessDeniedException`; the query protocol's services say `AccessDenied` (the wire layer knows which)."""

    code = "AccessDeniedException"
    status = 403


class ThrottlingException(ServiceError):
    status = 400


class ValidationException(ServiceError):
    status = 400
