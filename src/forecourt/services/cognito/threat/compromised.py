"""Whether a password is known to everybody: a bundled list of common words, and a k-anonymity range service where one
is configured (it is told five hexadecimal digits of a SHA-1, and answers with all suffixes it knows).

A common word stays common with a capital, a digit and an exclamation mark: what is compared is its core.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import re
from importlib.resources import files

_log = logging.getLogger("forecourt.cognito.threat")
_LEET = str.maketrans("013457@$!", "oieastasi")
_TIMEOUT_SECONDS = 2.0


@functools.cache
def common() -> frozenset[str]:
    return frozenset(files(__package__).joinpath("common_passwords.txt").read_text("utf-8").split())


def core(password: str) -> str:
    """Lower case, without what people add to satisfy a policy, and with letters for look-alikes."""
    bare = re.sub(r"^[^a-z@$]+|[^a-z]+$", "", password.lower())
    return bare.translate(_LEET)


def is_common(password: str) -> bool:
    return password.lower() in common() or core(password) in common()


async def is_compromised(password: str, range_url: str) -> bool:
    """A service that does not answer, in time and in HTTP, blocks nobody."""
    if is_common(password):
        return True
    if not range_url:
        return False
    # Imported for the first question: a start does not wait for it.
    from http.client import HTTPException

    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        known = await asyncio.to_thread(_fetch, f"{range_url.rstrip('/')}/{digest[:5]}")
    except (OSError, HTTPException, ValueError) as error:
        _log.warning("the range service did not answer: %s", type(error).__name__)
        return False
    return any(line.split(":")[0] == digest[5:] for line in known.splitlines())


def _fetch(url: str) -> str:
    from urllib.request import urlopen

    with urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
        text: bytes = answer.read(1_000_000)
    return text.decode("ascii", "replace")
