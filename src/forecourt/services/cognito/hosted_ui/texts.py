"""What the pages say, in the languages they speak. The `lang` parameter decides, then the browser's preferences.

`texts.txt` has a row for each text: its key, then English, German, French, Spanish. The English of the rows `say_…` is
what the API says where something is wrong; what has no row is shown as the API says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

LANGUAGES = ("en", "de", "fr", "es")
TEXTS: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
for _row in files(__package__).joinpath("texts.txt").read_text("utf-8").splitlines():
    _key, *_translations = (cell.strip() for cell in _row.split(" | "))
    for _language, _translation in zip(LANGUAGES, _translations, strict=True):
        TEXTS[_language][_key] = _translation


def language(asked: str, accepted: str) -> str:
    """`asked` is the `lang` parameter, `accepted` the Accept-Language header (RFC 9110, 12.5.4)."""
    wanted = [asked, *(part.partition(";")[0].strip() for part in accepted.split(","))]
    return next((tag[:2].lower() for tag in wanted if tag[:2].lower() in LANGUAGES), "en")


_OF_ENGLISH = {
    language: {TEXTS["en"][key]: translation for key, translation in known.items()} for language, known in TEXTS.items()
}


def said(chosen: str, message: str) -> str:
    return _OF_ENGLISH[chosen].get(message, message)


def texts(chosen: str) -> Mapping[str, str]:
    return TEXTS[chosen]
