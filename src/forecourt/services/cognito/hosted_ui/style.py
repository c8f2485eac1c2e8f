"""Colours and CSS of the hosted pages: what a customization may contain, and what it becomes.

The classic UI's CSS may set the properties of a fixed set of classes. It is served as a style sheet of its own, never
inside a page, and may not load anything from elsewhere.
"""

from __future__ import annotations

import re

from forecourt.services.cognito.errors import InvalidParameterException

# https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-app-ui-customization.html
CLASSES = frozenset(
    [
        "logo-customizable",
        "banner-customizable",
        "label-customizable",
        "textDescription-customizable",
        "idpDescription-customizable",
        "legalText-customizable",
        "submitButton-customizable",
        "errorMessage-customizable",
        "inputField-customizable",
        "idpButton-customizable",
        "socialButton-customizable",
        "redirect-customizable",
        "passwordCheck-notValid-customizable",
        "passwordCheck-valid-customizable",
        "background-customizable",
    ]
)
_RULE = re.compile(r"\s*([^{}]+?)\s*\{([^{}]*)\}\s*", re.DOTALL)
_SELECTOR = re.compile(r"\.([\w-]+)(:hover|:focus)?")
_FORBIDDEN = re.compile(r"url\s*\(|@import|expression\s*\(|javascript:|<|\\", re.IGNORECASE)


def check_css(css: str) -> None:
    """Raises `InvalidParameterException` where the CSS is more than AWS allows."""
    if _FORBIDDEN.search(css):
        raise InvalidParameterException("CSS is not valid: it must not load or run anything.")
    rest = _RULE.sub("", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
    if rest.strip():
        raise InvalidParameterException("CSS is not valid.")
    for selectors, _ in _RULE.findall(css):
        for selector in selectors.split(","):
            match = _SELECTOR.fullmatch(re.sub(r"/\*.*?\*/", "", selector, flags=re.DOTALL).strip())
            if match is None or match[1] not in CLASSES:
                raise InvalidParameterException(f"CSS is not valid: {selector.strip()} can not be customized.")
