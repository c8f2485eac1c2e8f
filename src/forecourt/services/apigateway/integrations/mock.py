"""`MOCK`: no backend. The request template says which status the integration would have had.

https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
"""

from __future__ import annotations

import re

import msgspec

from forecourt.services.apigateway.integrations.custom import Backend, Mapped
from forecourt.services.apigateway.plan.errors import configuration_error
from forecourt.services.apigateway.plan.messages import IntegrationResponse, MethodRequest

_LOOSE_STATUS = re.compile(rb"""[{,]\s*['"]?statusCode['"]?\s*:\s*['"]?(\d{3})\b""")


def mock() -> Backend:
    async def answer(request: MethodRequest, mapped: Mapped) -> IntegrationResponse:
        return IntegrationResponse(status=_status(mapped), headers=[], body=b"")

    return answer


def _status(mapped: Mapped) -> int:
    """The `statusCode` of the template's output. Keys may lack quotes, as AWS lets them."""
    try:
        document = msgspec.json.decode(mapped.body)
        return int(document["statusCode"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
        pass
    loose = _LOOSE_STATUS.search(mapped.body)
    if loose is None:
        raise configuration_error("Unable to parse statusCode. It should be an integer. Defaulting to 500")
    return int(loose[1])
