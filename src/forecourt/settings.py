"""Every setting once: name, type, default, help.

A setting comes from, in this order: the command line (`--port 80`), the environment (`FORECOURT_PORT=80`), the file
`forecourt.toml` in the working folder or the one that `FORECOURT_CONFIG` names (`port = 80`), the default here. The
command line's options and `docs/settings.md` are made from this table.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

IamMode = Literal["off", "audit", "enforce"]


class SettingsError(Exception):
    """A setting that cannot be used. The message says which one, where it came from and what it may be."""


class Rule(NamedTuple):
    """What a value has to be beyond its type, in words and as a test."""

    expected: str
    holds: Callable[[Any], bool]


def _is_url(text: str) -> bool:
    url = urlsplit(text)
    return url.scheme in ("http", "https") and bool(url.hostname)


_PORT = Rule("a number from 0 to 65535", lambda value: 0 <= value <= 65535)
_FROM_ONE = Rule("1 or more", lambda value: value >= 1)
_FROM_NONE = Rule("0 or more", lambda value: value >= 0)
_NAMED = Rule("a name", bool)
_URL = Rule("an http or https URL", lambda value: not value or _is_url(value))
_URLS = Rule("an http or https URL for each service", lambda value: all(map(_is_url, value.values())))
_ANY = Rule("", lambda value: True)


class Setting(msgspec.Struct, frozen=True):
    name: str
    type: Any
    default: Any
    help: str
    rule: Rule = _ANY
    # Secrets are taken from the environment or the file, never from a command line that other users can list.
    secret: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "FORECOURT_" + self.name.upper()


SETTINGS: tuple[Setting, ...] = (
    Setting("host", str, "127.0.0.1", "Address to listen on. Any but a loopback address turns IAM enforcement on."),
    Setting("port", int, 4566, "Port to listen on. 0: a free one.", _PORT),
    Setting("data", str, "data", "Folder that keeps everything. Created when missing.", _NAMED),
    Setting("ephemeral", bool, False, "Keep everything in memory, forget it at the end, and allow /_forecourt/reset."),
    Setting("public_url", str, "", "URL under which clients reach Forecourt. Default: http://localhost:PORT.", _URL),
    Setting("log_level", Literal["debug", "info", "warning", "error"], "info", "How much to log."),
    Setting("log_format", Literal["auto", "plain", "json"], "auto", "auto: plain on a terminal, JSON elsewhere."),
    Setting(
        "enforce_iam",
        Literal["off", "audit", "enforce"],
        "off",
        "off: unknown credentials are the account's root (loopback only). audit: the same, and what would be denied is "
        "logged. enforce: unknown credentials are refused.",
    ),
    Setting("root_access_key_id", str, "", "The first administrator's access key id.", secret=True),
    Setting("root_secret_access_key", str, "", "The first administrator's secret access key.", secret=True),
    Setting("master_key", str, "", "32 bytes in base64 that seal secrets at rest. Default: a file.", secret=True),
    Setting("master_key_command", str, "", "A command that prints the master key (a vault's client, for example)."),
    Setting("token_issuer", Literal["public", "amazonaws"], "public", "Form of `iss` in user pools' tokens."),
    Setting("smtp_url", str, "", "smtp[s]://user:password@host:port for mail. Default: a local mailbox.", secret=True),
    Setting("mail_from", str, "no-reply@verificationemail.com", "Sender of user pools' mail."),
    Setting("sms_webhook", str, "", "URL that receives text messages as JSON. Default: the local mailbox.", _URL),
    Setting(
        "password_range_url",
        str,
        "",
        "A k-anonymity range service that knows compromised passwords (URL + 5 hex digits).",
        _URL,
    ),
    Setting(
        "cognito_quotas",
        Literal["auto", "on", "off"],
        "auto",
        "Cognito's request-rate quotas by category. auto: on, unless the address is a loopback one.",
    ),
    Setting(
        "lambda_idle_seconds", int, 300, "A function's environment that was idle for so long is stopped.", _FROM_ONE
    ),
    Setting(
        "lambda_concurrency", int, 1000, "Concurrent executions of all functions of an account and region.", _FROM_ONE
    ),
    Setting("mock_config", str, "", "Step Functions Local's MockConfigFile.json: task results without the tasks."),
    Setting(
        "client_timeout",
        int,
        60,
        "Seconds that a client gets to send its request's headers, and again for the body of an AWS API call.",
        _FROM_ONE,
    ),
    Setting("drain_seconds", int, 25, "How long a stop waits for requests that are under way.", _FROM_NONE),
    Setting(
        "backing", dict[str, str], {}, "Endpoint of a backing service: --backing dynamodb=http://localhost:8000.", _URLS
    ),
    Setting("quotas", dict[str, int], {}, "Another value for a quota of AWS: --quotas apigateway.resources=600."),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int
    data: str
    ephemeral: bool
    public_url: str
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "plain", "json"]
    enforce_iam: IamMode
    root_access_key_id: str
    root_secret_access_key: str
    master_key: str
    master_key_command: str
    token_issuer: Literal["public", "amazonaws"]
    smtp_url: str
    mail_from: str
    sms_webhook: str
    password_range_url: str
    cognito_quotas: Literal["auto", "on", "off"]
    lambda_idle_seconds: int
    lambda_concurrency: int
    mock_config: str
    client_timeout: int
    drain_seconds: int
    backing: dict[str, str]
    quotas: dict[str, int]

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def iam_mode(self) -> IamMode:
        """Off a loopback address unknown credentials are always refused."""
        return self.enforce_iam if self.on_loopback else "enforce"

    @property
    def cognito_quotas_apply(self) -> bool:
        return not self.on_loopback if self.cognito_quotas == "auto" else self.cognito_quotas == "on"

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://localhost:{self.port}"

    @property
    def local_url(self) -> str:
        """Where processes of this machine reach Forecourt. A number, since `localhost` may mean ::1 first."""
        host = "127.0.0.1" if self.host in ("localhost", "0.0.0.0", "::") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def data_folder(self) -> Path | None:
        """Absolute: a function's process has a working folder of its own."""
        return None if self.ephemeral else Path(self.data).absolute()


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """`flags` holds what the command line gave, by setting name. Raises `SettingsError`."""
    environment = os.environ if environment is None else environment
    file = _read_file(environment)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if flags.get(setting.name) not in (None, (), {}):
            values[setting.name] = _convert(setting, flags[setting.name], setting.flag)
        elif setting.variable in environment:
            values[setting.name] = _convert(setting, environment[setting.variable], setting.variable)
        elif setting.name in file:
            values[setting.name] = _convert(setting, file[setting.name], f"forecourt.toml: {setting.name}")
        else:
            values[setting.name] = setting.default
    for setting in SETTINGS:
        if not setting.rule.holds(values[setting.name]):
            raise SettingsError(f"{setting.name} is {values[setting.name]!r}, but has to be {setting.rule.expected}")
    if bool(values["root_access_key_id"]) != bool(values["root_secret_access_key"]):
        raise SettingsError("root_access_key_id and root_secret_access_key go together, but only one of them is set")
    return Settings(**values)


def _read_file(environment: Mapping[str, str]) -> dict[str, Any]:
    named = environment.get("FORECOURT_CONFIG")
    path = Path(named or "forecourt.toml")
    if not named and not path.exists():
        return {}
    # Most have no such file, and a start does not wait for its parser.
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    unknown = sorted(set(values) - {setting.name for setting in SETTINGS})
    if unknown:
        raise SettingsError(f"{path} has unknown settings: {', '.join(unknown)}. `forecourt start --help` lists them.")
    return values


def _convert(setting: Setting, value: Any, source: str) -> Any:
    try:
        if setting.type in (dict[str, str], dict[str, int]) and not isinstance(value, Mapping):
            pairs = value.split(",") if isinstance(value, str) else value
            value = dict(pair.strip().split("=", 1) for pair in pairs if pair.strip())
        return msgspec.convert(value, setting.type, strict=False)
    except ValueError as error:
        raise SettingsError(f"{source} is {value!r}: {error}") from error


def describe() -> str:
    """`docs/settings.md`."""
    lines = [
        "# Settings",
        "",
        "Made by `forecourt settings` from `src/forecourt/settings.py`. A setting comes from the command line, the",
        "environment or `forecourt.toml`, in this order.",
        "",
        "| flag | environment | default | what it does |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        flag = "" if setting.secret else f"`{setting.flag}`"
        default = "" if setting.default in ("", {}) else f"`{setting.default}`"
        lines.append(f"| {flag} | `{setting.variable}` | {default} | {setting.help} |")
    return "\n".join(lines) + "\n"
