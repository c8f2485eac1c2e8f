"""What goes wrong between us and a backing service."""

from __future__ import annotations

from forecourt.base.errors import ServiceError
from forecourt.services.backing.message import Request


class EndpointUnavailable(ServiceError):
    """A remote endpoint does not answer. The message names the setting."""

    code = "ServiceUnavailable"
    status = 503


class EndpointRefused(ServiceError):
    """An HTTP endpoint that something is delivered to does not want it."""

    code = "EndpointRefused"
    status = 400


class InvalidRequest(ServiceError):
    """The parameters are not what the service's model asks for."""

    code = "ValidationException"
    status = 400


class StateUnreadable(ServiceError):
    """What the embedded services had kept cannot be read by this version of moto."""

    code = "InternalFailure"
    status = 500

    def __init__(self, written_by: str, present: str) -> None:
        super().__init__(
            f"The embedded services' state was kept by moto {written_by} and cannot be read by moto {present}. "
            "Start with the version of Forecourt that wrote it, or begin anew in another data folder."
        )


class Broken(Exception):
    """moto failed on a request."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"{request.service} in {request.region}")
        self.request = request


class WouldWait(Exception):
    """Nothing is there yet and the caller is ready to wait for `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds
