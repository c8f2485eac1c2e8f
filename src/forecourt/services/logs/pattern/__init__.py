"""The filter pattern language of CloudWatch Logs, compiled to predicates on messages. Pure.

Three languages, told apart by how a pattern begins: `{ … }` looks into JSON (`structured.py`), `[ … ]` at fields
between spaces (`fields.py`), anything else for terms (`terms.py`). All three know `%regular expressions%`.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from forecourt.services.logs.pattern import fields, structured, terms
from forecourt.services.logs.pattern.conditions import BadPattern
from forecourt.services.logs.pattern.matcher import Matcher

__all__ = ["BadPattern", "Matcher", "compile_pattern"]


@functools.lru_cache(256)
def compile_pattern(pattern: str) -> Matcher:
    """Raises `BadPattern`."""
    text = pattern.strip()
    parse = _LANGUAGES.get(text[:1], terms.parse)
    try:
        return parse(text)
    except RecursionError:
        raise BadPattern("too many parentheses") from None


_LANGUAGES: dict[str, Callable[[str], Matcher]] = {"{": structured.parse, "[": fields.parse}
