"""CUSTOM_AUTH: the pool's own functions decide. DefineAuthChallenge says what comes next, CreateAuthChallenge makes the
question, VerifyAuthChallengeResponse judges the answer; it may start with SRP.

https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.services.cognito import errors
from forecourt.services.cognito.auth import srp
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, ChallengeResult, Outcome, Passed, Visit
from forecourt.services.cognito.auth.kit import Kit, names_of, required
from forecourt.services.cognito.model import User
from forecourt.services.cognito.triggers import flag, user_attributes, with_metadata

MOST_ROUNDS = 20


async def start(kit: Kit, visit: Visit) -> Outcome:
    username = required(visit.parameters, "USERNAME")
    user = await kit.find_user(visit, username)
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), username, *names_of(user))
    if not kit.triggers.configured(visit.pool, "DefineAuthChallenge"):
        raise errors.InvalidParameterException("Custom auth lambda trigger is not configured for the user pool.")
    if user is not None and not visit.hides_users:
        kit.check_status(user)
    await kit.pre_authentication(visit, username, user)
    attempt = kit.new_attempt(visit, username, user)
    with_srp = visit.parameters.get("CHALLENGE_NAME") == "SRP_A" or "SRP_A" in visit.parameters
    if with_srp:
        attempt.custom = [ChallengeResult("SRP_A", True)]
    return await define(kit, visit, attempt, user)


async def define(kit: Kit, visit: Visit, attempt: Attempt, user: User | None) -> Outcome:
    """What DefineAuthChallenge wants next."""
    request = {**_request(visit, user), "session": _session(attempt)}
    empty = {"challengeName": None, "issueTokens": None, "failAuthentication": None}
    answer = await _fire(kit, visit, "DefineAuthChallenge", attempt, user, request, empty)
    if flag(answer, "failAuthentication"):
        raise errors.incorrect_credentials()
    if flag(answer, "issueTokens"):
        if user is None or not attempt.custom:
            raise errors.incorrect_credentials()
        kit.check_status(user)
        await kit.threat.assess(visit, attempt, user)
        return Passed(user, attempt)
    if len(attempt.custom) >= MOST_ROUNDS:
        raise errors.incorrect_credentials()
    if answer.get("challengeName") == "PASSWORD_VERIFIER" and "SRP_A" in visit.parameters:
        return await srp.ask(kit, visit, attempt, user, srp.public_value(visit.parameters["SRP_A"]))
    if answer.get("challengeName") == "CUSTOM_CHALLENGE":
        return await _create(kit, visit, attempt, user)
    raise errors.InvalidLambdaResponseException("Unrecognizable lambda output")


async def _create(kit: Kit, visit: Visit, attempt: Attempt, user: User | None) -> Challenge:
    request = {
        **_request(visit, user),
        "challengeName": "CUSTOM_CHALLENGE",
        "session": _session(attempt),
    }
    empty = {"publicChallengeParameters": None, "privateChallengeParameters": None, "challengeMetadata": None}
    answer = await _fire(kit, visit, "CreateAuthChallenge", attempt, user, request, empty)
    pending = ChallengeResult("CUSTOM_CHALLENGE", False, answer.get("challengeMetadata"))
    attempt = msgspec.structs.replace(
        attempt, custom=[*attempt.custom, pending], private=_strings(answer.get("privateChallengeParameters"))
    )
    public = {
        **_strings(answer.get("publicChallengeParameters")),
        "USERNAME": user.username if user else attempt.username,
    }
    return kit.challenge(visit, attempt, "CUSTOM_CHALLENGE", public)


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> Outcome:
    """CUSTOM_CHALLENGE."""
    user = await kit.user_of(attempt)
    request = {
        **_request(visit, user),
        "privateChallengeParameters": attempt.private,
        "challengeAnswer": required(visit.parameters, "ANSWER"),
    }
    verdict = await _fire(kit, visit, "VerifyAuthChallengeResponse", attempt, user, request, {"answerCorrect": None})
    correct = flag(verdict, "answerCorrect") and user is not None
    results = [*attempt.custom[:-1], msgspec.structs.replace(attempt.custom[-1], challengeResult=correct)]
    return await define(kit, visit, msgspec.structs.replace(attempt, custom=results, private={}), user)


def note(attempt: Attempt, challenge: str) -> Attempt:
    """A challenge that is not the functions' own was passed within this flow."""
    return msgspec.structs.replace(attempt, custom=[*attempt.custom, ChallengeResult(challenge, True)])


async def _fire(
    kit: Kit,
    visit: Visit,
    trigger: str,
    attempt: Attempt,
    user: User | None,
    request: Mapping[str, Any],
    empty: Mapping[str, Any],
) -> dict[str, Any]:
    if not kit.triggers.configured(visit.pool, trigger):
        raise errors.InvalidParameterException("Custom auth lambda trigger is not configured for the user pool.")
    name = user.username if user else attempt.username
    asked = with_metadata(visit.occasion, request)
    return await kit.triggers.fire(visit.occasion, trigger, f"{trigger}_Authentication", name, asked, empty)


def _request(visit: Visit, user: User | None) -> dict[str, Any]:
    return {"userAttributes": user_attributes(user) if user else {}, **visit.found(user)}


def _session(attempt: Attempt) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(result) for result in attempt.custom]


def _strings(parameters: Any) -> dict[str, str]:
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise errors.InvalidLambdaResponseException("Unrecognizable lambda output")
    return {str(name): str(value) for name, value in parameters.items() if value is not None}
