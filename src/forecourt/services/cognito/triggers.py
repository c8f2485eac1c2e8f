"""Lambda triggers: a pool's functions are asked while a user signs up, signs in or is written to.

AWS's rules: the function has five seconds, gets three tries where it does not answer, receives AWS's event document and
returns it with `response` filled. What it raises becomes the caller's UserLambdaValidationException; an answer without
a `response` becomes InvalidLambdaResponseException.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.base.principal import service
from forecourt.services.cognito.errors import (
    InvalidLambdaResponseException,
    UnexpectedLambdaException,
    UserLambdaValidationException,
)
from forecourt.services.cognito.model import Pool, User

TRIES = 3
TIME_LIMIT_SECONDS = 5.0
_NO_CLIENT = "CLIENT_ID_NOT_APPLICABLE"
# The names under which AWS's errors speak of a trigger, by the setting that holds its function.
_SPOKEN = {
    "VerifyAuthChallengeResponse": "VerifyAuthChallengeResponse",
    "PreTokenGeneration": "PreTokenGeneration",
    "PreTokenGenerationConfig": "PreTokenGeneration",
    "CustomSMSSender": "CustomSMSSender",
    "CustomEmailSender": "CustomEmailSender",
}


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """In what call a trigger fires: whose pool and client, and what the client said."""

    context: CallContext
    pool: Pool
    client_id: str = _NO_CLIENT
    metadata: Mapping[str, str] = {}
    validation_data: Mapping[str, str] = {}


class Triggers:
    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def configured(self, pool: Pool, trigger: str) -> bool:
        return bool(function_arn(pool, trigger))

    async def fire(
        self,
        occasion: Occasion,
        trigger: str,
        source: str,
        username: str,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        version: str = "1",
    ) -> dict[str, Any]:
        """The function's `response`, over the given empty one; that one unchanged where there is no function."""
        arn = function_arn(occasion.pool, trigger)
        if not arn:
            return dict(response)
        event = event_document(occasion, source, username, request, response, version)
        answer = await self._invoke(occasion, trigger, arn, event)
        return {**response, **_response_of(answer)}

    async def _invoke(self, occasion: Occasion, trigger: str, arn: str, event: dict[str, Any]) -> Any:
        spoken = _SPOKEN.get(trigger, trigger)
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(TIME_LIMIT_SECONDS):
                    return _payload(spoken, await self._call(occasion, arn, event))
            except TimeoutError:
                continue
            except ServiceError as error:
                if isinstance(error, UserLambdaValidationException | InvalidLambdaResponseException):
                    raise
                if error.status < 500:
                    raise _unreachable(spoken, error) from error
        raise UnexpectedLambdaException(
            f"{spoken} invocation failed due to error Socket timeout while invoking Lambda function."
        )

    async def _call(self, occasion: Occasion, arn: str, event: dict[str, Any]) -> dict[str, Any]:
        pool = occasion.pool
        context = msgspec.structs.replace(
            occasion.context,
            principal=service("cognito-idp.amazonaws.com", pool.account),
            region=pool.region,
            conditions={"aws:SourceArn": pool.arn, "aws:SourceAccount": pool.account},
        )
        params = {"FunctionName": arn, "InvocationType": "RequestResponse", "Payload": msgspec.json.encode(event)}
        return await self.caller.call(context, "lambda", "Invoke", params)


def function_arn(pool: Pool, trigger: str) -> str:
    configured = pool.triggers.get(trigger)
    if isinstance(configured, Mapping):
        return str(configured.get("LambdaArn", ""))
    return str(configured or "")


def event_document(
    occasion: Occasion,
    source: str,
    username: str,
    request: Mapping[str, Any],
    response: Mapping[str, Any],
    version: str,
) -> dict[str, Any]:
    return {
        "version": version,
        "region": occasion.pool.region,
        "userPoolId": occasion.pool.id,
        "userName": username,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": occasion.client_id},
        "triggerSource": source,
        "request": dict(request),
        "response": dict(response),
    }


def user_attributes(user: User) -> dict[str, str]:
    """As a trigger sees them: with the user's id and status."""
    return {"sub": user.sub, "cognito:user_status": user.status, **user.attributes}


def with_metadata(occasion: Occasion, request: Mapping[str, Any], name: str = "clientMetadata") -> dict[str, Any]:
    return {**request, **({name: dict(occasion.metadata)} if occasion.metadata else {})}


def _payload(spoken: str, result: Mapping[str, Any]) -> Any:
    try:
        payload = msgspec.json.decode(bytes(result.get("Payload") or b"null"))
    except msgspec.DecodeError as error:
        raise InvalidLambdaResponseException("Unrecognizable lambda output") from error
    if result.get("FunctionError"):
        message = payload.get("errorMessage", "") if isinstance(payload, dict) else ""
        raise UserLambdaValidationException(f"{spoken} failed with error {message}.")
    return payload


def _response_of(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get("response", {}), dict):
        raise InvalidLambdaResponseException("Unrecognizable lambda output")
    response: dict[str, Any] = answer.get("response", {})
    return response


def flag(answer: Mapping[str, Any], name: str) -> bool:
    """A member that is true, false, or not there. AWS takes no text for either."""
    given = answer.get(name)
    if given is not None and not isinstance(given, bool):
        raise InvalidLambdaResponseException("Unrecognizable lambda output")
    return bool(given)


def _unreachable(spoken: str, error: ServiceError) -> UnexpectedLambdaException:
    if error.code == "ResourceNotFoundException":
        return UnexpectedLambdaException(f"{spoken} invocation failed due to configuration.")
    return UnexpectedLambdaException(f"{spoken} invocation failed due to error {error.code}.")
