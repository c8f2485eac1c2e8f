"""Command-line options made from the table of settings, and the URL of a running Forecourt."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import click

from forecourt.settings import SETTINGS, Setting

_Command = Callable[..., Any]


def setting_options(command: _Command) -> _Command:
    """Adds an option for every setting that may stand on a command line."""
    for setting in reversed([setting for setting in SETTINGS if not setting.secret]):
        command = _option(setting)(command)
    return command


def _option(setting: Setting) -> Callable[[_Command], _Command]:
    shown = "" if setting.default in ("", {}) or setting.type is bool else f" [default: {setting.default}]"
    described = setting.help + shown
    if setting.type is bool:
        return click.option(setting.flag, setting.name, is_flag=True, default=None, help=described)
    if get_origin(setting.type) is Literal:
        return click.option(
            setting.flag, setting.name, type=click.Choice(get_args(setting.type)), default=None, help=described
        )
    if get_origin(setting.type) is dict:
        return click.option(setting.flag, setting.name, multiple=True, metavar="NAME=VALUE", help=described)
    metavar = "NUMBER" if setting.type is int else "TEXT"
    return click.option(setting.flag, setting.name, type=setting.type, default=None, metavar=metavar, help=described)


def endpoint_option(command: _Command) -> _Command:
    """`--endpoint-url`, for commands that talk to a running Forecourt."""
    return click.option(
        "--endpoint-url",
        default=lambda: os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        metavar="URL",
        help="Where Forecourt runs. [default: $AWS_ENDPOINT_URL or http://127.0.0.1:4566]",
    )(command)
