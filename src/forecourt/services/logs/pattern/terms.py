"""Terms: `ERROR`, `"an exact phrase"`, `-unwanted`, `?either ?or`, `%regular expression%`.

All terms must be in the message, none with a minus may. Terms with a question mark: any of them; beside others they
mean nothing (as AWS documents). Upper and lower case differ. No term at all matches everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from forecourt.services.logs.pattern.conditions import MOST_REGEXES, BadPattern, regex

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]*)%|(?P<word>[^\s"%]+))')

Finder = Callable[[str], bool]


class Terms:
    def __init__(self, required: list[Finder], excluded: list[Finder], optional: list[Finder]) -> None:
        self._required = required
        self._excluded = excluded
        self._optional = [] if required or excluded else optional

    def matches(self, message: str) -> bool:
        if self._optional:
            return any(find(message) for find in self._optional)
        return all(find(message) for find in self._required) and not any(find(message) for find in self._excluded)

    def extract(self, message: str) -> dict[str, str]:
        return {}


def parse(text: str) -> Terms:
    by_sign: dict[str, list[Finder]] = {"": [], "-": [], "?": []}
    at = regexes = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None:
            raise BadPattern(f"unexpected {text[at:]!r}")
        by_sign[match["sign"]].append(_finder(match))
        regexes += match["regex"] is not None
        at = match.end()
    if regexes > MOST_REGEXES:
        raise BadPattern("at most two regular expressions")
    return Terms(by_sign[""], by_sign["-"], by_sign["?"])


def _finder(match: re.Match[str]) -> Finder:
    if match["regex"] is not None:
        return regex(match["regex"]).search
    term = match["word"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"]).strip()
    return lambda message: term in message
