"""Colours and CSS of the hosted pages: what a customization may contain, and what it becomes.

The classic UI's CSS may set the properties of a fixed set of classes. It is served as a style sheet of its own, never
inside a page, and may not load anything from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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


# Paths in a managed-login branding document, and the colour variables that they set.
# https://docs.aws.amazon.com/cognito/latest/developerguide/managed-login-branding.html
_COLOURS = (
    ("components.primaryButton.{mode}.defaults.backgroundColor", "--accent"),
    ("components.primaryButton.{mode}.defaults.textColor", "--accent-text"),
    ("components.primaryButton.{mode}.hover.backgroundColor", "--accent-hover"),
    ("components.pageBackground.{mode}.color", "--page"),
    ("components.form.{mode}.backgroundColor", "--card"),
    ("components.pageText.{mode}.headingColor", "--text"),
    ("components.pageText.{mode}.bodyColor", "--muted"),
    ("componentClasses.input.{mode}.defaults.borderColor", "--line"),
    ("components.alert.{mode}.error.borderColor", "--error"),
)
_COLOUR = re.compile(r"[0-9a-fA-F]{6}([0-9a-fA-F]{2})?")


def theme(settings: Mapping[str, Any]) -> str:
    """The style sheet of a branding document: its colours, each in its own mode (light ones never meet our dark), and
    how round its corners are."""
    sheet = ""
    for mode, other in (("light", "dark"), ("dark", "light")):
        if colours := _variables(settings, f"{mode}Mode"):
            sheet += f":root[data-scheme={mode}]{{{colours}}}"
            sheet += f"@media(prefers-color-scheme:{mode}){{:root:not([data-scheme={other}]){{{colours}}}}}"
    radius = _at(settings, "componentClasses.buttons.borderRadius")
    return sheet + (f":root{{--radius:{radius:g}px}}" if isinstance(radius, int | float) and 0 <= radius <= 100 else "")


def scheme(settings: Mapping[str, Any]) -> str:
    """What a branding document says, light as AWS's own one where it says nothing; empty: the browser chooses."""
    mode = str(_at(settings, "categories.global.colorSchemeMode") or "LIGHT").lower()
    return mode if mode in ("light", "dark") else ""


def _variables(settings: Mapping[str, Any], mode: str) -> str:
    found = ((variable, _at(settings, path.format(mode=mode))) for path, variable in _COLOURS)
    return "".join(f"{name}:#{value};" for name, value in found if isinstance(value, str) and _COLOUR.fullmatch(value))


def _at(settings: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(settings, Mapping):
            return None
        settings = settings.get(step)
    return settings
