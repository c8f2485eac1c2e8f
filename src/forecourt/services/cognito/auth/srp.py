"""USER_SRP_AUTH: the password is proven without being sent.

The first call answers with PASSWORD_VERIFIER, whose SECRET_BLOCK carries our side of the exchange, sealed; the second
call brings it back with the proof. A block works once, right or wrong. For a user who does not exist everything is made
up, the same each time, at the same cost.
"""

from __future__ import annotations

import base64
import binascii
import uuid

import msgspec

from forecourt.services.cognito import errors, names, sealed, srp
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, SrpRound, Visit
from forecourt.services.cognito.auth.kit import Kit, names_of, required
from forecourt.services.cognito.model import Pool, User
from forecourt.services.cognito.srp import Verifier
from forecourt.services.cognito.store import spend

_PURPOSE = "cognito.srp-round"


async def start(kit: Kit, visit: Visit) -> Challenge:
    username = required(visit.parameters, "USERNAME")
    client_public = public_value(required(visit.parameters, "SRP_A"))
    user = await kit.records.find_user(visit.pool, username)
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), username, *names_of(user))
    if user is None and not visit.hides_users:
        raise errors.user_not_found()
    kit.threat.check_lockout(visit.pool, user.key if user else username)
    await kit.pre_authentication(visit, username, user)
    return await ask(kit, visit, kit.new_attempt(visit, username, user), user, client_public)


async def ask(kit: Kit, visit: Visit, attempt: Attempt, user: User | None, client_public: int) -> Challenge:
    return await kit.passwords.turns.take(_challenge, kit, visit, attempt, user, client_public)


def _challenge(kit: Kit, visit: Visit, attempt: Attempt, user: User | None, client_public: int) -> Challenge:
    verifier, user_id = _verifier(kit, visit.pool, attempt.username, user)
    asked = kit.challenge(visit, attempt, "PASSWORD_VERIFIER", {})
    block, server_public = seal_round(kit, asked.attempt, verifier, client_public, user_id, visit.pool.short_name)
    return Challenge(
        "PASSWORD_VERIFIER",
        asked.attempt,
        {
            "SALT": verifier.salt.hex(),
            "SECRET_BLOCK": block,
            "SRP_B": f"{server_public:x}",
            "USERNAME": user_id,
            "USER_ID_FOR_SRP": user_id,
        },
    )


async def answer(kit: Kit, visit: Visit) -> tuple[Attempt, User]:
    """PASSWORD_VERIFIER."""
    given = visit.parameters
    username = required(given, "USERNAME")
    round_, block = open_round(kit, required(given, "PASSWORD_CLAIM_SECRET_BLOCK"))
    attempt = round_.attempt
    await check_round(kit, visit, attempt, "PASSWORD_VERIFIER")
    user = await kit.user_of(attempt)
    kit.check_secret_hash(visit, given.get("SECRET_HASH"), username, attempt.username, *names_of(user))
    kit.threat.check_lockout(visit.pool, attempt.user_key or attempt.username)
    if username not in {attempt.username, round_.user_id, *names_of(user)}:
        raise errors.incorrect_credentials()
    verifier, _ = _verifier(kit, visit.pool, attempt.username, user)
    proven = await _proven(kit, visit, round_, block, verifier)
    if user is None or not user.srp_verifier or not proven:
        await kit.threat.failed(visit, attempt.user_key or attempt.username, user)
        raise errors.incorrect_credentials()
    kit.check_status(user)
    return msgspec.structs.replace(attempt, passed=[*attempt.passed, "PASSWORD"], unspent=attempt.id), user


async def _proven(kit: Kit, visit: Visit, round_: SrpRound, block: bytes, verifier: Verifier) -> bool:
    """A wrong proof uses the block up as well: no second guess against the same exchange."""
    if await kit.passwords.turns.take(proof_holds, visit, round_, block, verifier):
        return True
    attempt = round_.attempt
    await kit.records.store.write(lambda tx: spend(tx, attempt.id, attempt.expires_at))
    return False


# Shared with the device's exchange -----------------------------------------------------------------------------------


def public_value(text: str) -> int:
    try:
        return srp.parse_public(text)
    except srp.SrpError as error:
        raise errors.InvalidParameterException(f"Invalid SRP_A: {error}") from None


def seal_round(
    kit: Kit, attempt: Attempt, verifier: Verifier, client_public: int, user_id: str, name: str
) -> tuple[str, int]:
    """SECRET_BLOCK, and B."""
    secret = kit.records.ids.bytes(srp.SECRET_EXPONENT_BYTES)
    server_public = srp.public_value(verifier, int.from_bytes(secret, "big"))
    round_ = SrpRound(
        attempt=attempt,
        secret=secret,
        client_public=client_public.to_bytes(388, "big"),
        server_public=server_public.to_bytes(384, "big"),
        user_id=user_id,
        name=name,
    )
    return base64.b64encode(sealed.seal(kit.records.sealer, _PURPOSE, round_)).decode(), server_public


def open_round(kit: Kit, text: str) -> tuple[SrpRound, bytes]:
    try:
        block = base64.b64decode(text, validate=True)
        return sealed.unseal(kit.records.sealer, _PURPOSE, SrpRound, block), block
    except (binascii.Error, ValueError):
        raise errors.incorrect_credentials() from None


async def check_round(kit: Kit, visit: Visit, attempt: Attempt, challenge: str) -> None:
    """The block is of this pool and client, for this challenge, in time and unused."""
    if (attempt.pool_id, attempt.client_id) != (visit.pool.id, visit.client.id) or challenge not in attempt.challenges:
        raise errors.invalid_session()
    if attempt.expires_at <= kit.records.clock.now():
        raise errors.expired_session()
    if await kit.records.is_spent(attempt.id, attempt.expires_at, attempt.maker):
        raise errors.incorrect_credentials()


def proof_holds(visit: Visit, round_: SrpRound, block: bytes, verifier: Verifier) -> bool:
    timestamp = required(visit.parameters, "TIMESTAMP")
    signature = required(visit.parameters, "PASSWORD_CLAIM_SIGNATURE")
    try:
        key = srp.session_key(
            verifier,
            int.from_bytes(round_.secret, "big"),
            int.from_bytes(round_.client_public, "big"),
            int.from_bytes(round_.server_public, "big"),
        )
    except srp.SrpError:
        return False
    return srp.verify(key, round_.name, round_.user_id, block, timestamp, signature)


def _verifier(kit: Kit, pool: Pool, username: str, user: User | None) -> tuple[Verifier, str]:
    """The user's verifier and id, or ones that look like it."""
    if user is not None and user.srp_verifier:
        return kit.passwords.open_verifier(user.srp_verifier), user.username
    folded = names.fold(pool.settings, username)
    salt = srp.new_salt(kit.records.made_up(pool, "salt", folded, srp.SALT_BYTES))
    value = int.from_bytes(kit.records.made_up(pool, "verifier", folded, 384), "big") % srp.N
    return Verifier(salt, value), user.username if user else _made_up_id(kit, pool, username, folded)


def _made_up_id(kit: Kit, pool: Pool, username: str, folded: str) -> str:
    """A name by which an existing user could be called here stays; for an alias there would be a username behind."""
    if not (names.is_email(username) or names.is_phone(username)) or not names.alias_kinds(pool.settings, username):
        return username
    return str(uuid.UUID(bytes=kit.records.made_up(pool, "user-id", folded, 16), version=4))
