"""Settings: precedence, conversion, and messages that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forecourt.settings import SETTINGS, SettingsError, describe, load


def test_the_command_line_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "forecourt.toml"
    file.write_text('port = 1\nhost = "::1"\nlog_level = "debug"\n')
    settings = load({"port": 3}, {"FORECOURT_CONFIG": str(file), "FORECOURT_PORT": "2", "FORECOURT_HOST": "localhost"})
    assert (settings.port, settings.host, settings.log_level, settings.data) == (3, "localhost", "debug", "data")


def test_tables_are_read_from_flags_environment_and_file(tmp_path: Path) -> None:
    file = tmp_path / "forecourt.toml"
    file.write_text('[backing]\ns3 = "http://localhost:9000"\n')
    assert load({"backing": ("dynamodb=http://h:1",)}, {}).backing == {"dynamodb": "http://h:1"}
    assert load({}, {"FORECOURT_QUOTAS": "a.b=1,c.d=2"}).quotas == {"a.b": 1, "c.d": 2}
    assert load({}, {"FORECOURT_CONFIG": str(file)}).backing == {"s3": "http://localhost:9000"}


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        ({"port": 70000}, {}, "0 to 65535"),
        ({}, {"FORECOURT_PORT": "many"}, "FORECOURT_PORT is 'many'"),
        ({}, {"FORECOURT_LOG_LEVEL": "loud"}, "FORECOURT_LOG_LEVEL"),
        ({"backing": ("dynamodb",)}, {}, "--backing"),
        ({"backing": ("dynamodb=localhost:8000",)}, {}, "an http or https URL for each service"),
        ({"public_url": "aws.example.org"}, {}, "public_url is 'aws.example.org', but has to be an http or https URL"),
        ({"data": ""}, {}, "data is '', but has to be a name"),
        ({"lambda_concurrency": 0}, {}, "lambda_concurrency is 0, but has to be 1 or more"),
        ({}, {"FORECOURT_DRAIN_SECONDS": "-1"}, "drain_seconds is -1, but has to be 0 or more"),
        ({}, {"FORECOURT_ROOT_ACCESS_KEY_ID": "AKIA"}, "only one of them is set"),
        ({}, {"FORECOURT_CONFIG": "/nonexistent/forecourt.toml"}, "cannot read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    flags: dict[str, object], environment: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        load(flags, environment)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "forecourt.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(SettingsError, match="prot"):
        load({}, {"FORECOURT_CONFIG": str(file)})


@pytest.mark.parametrize(
    ("host", "mode"),
    [("127.0.0.1", "off"), ("::1", "off"), ("localhost", "off"), ("0.0.0.0", "enforce"), ("10.0.0.1", "enforce")],
)
def test_enforcement_is_always_on_off_a_loopback_address(host: str, mode: str) -> None:
    assert load({"host": host}, {}).iam_mode == mode


@pytest.mark.parametrize(
    ("host", "setting", "apply"),
    [
        ("127.0.0.1", "auto", False),
        ("0.0.0.0", "auto", True),
        ("127.0.0.1", "on", True),
        ("0.0.0.0", "off", False),
    ],
)
def test_request_rates_of_user_pools_are_bounded_off_a_loopback_address(host: str, setting: str, apply: bool) -> None:
    assert load({"host": host, "cognito_quotas": setting}, {}).cognito_quotas_apply is apply


def test_the_documentation_names_every_setting() -> None:
    page = describe()
    assert all(setting.variable in page for setting in SETTINGS)


@pytest.mark.parametrize(
    ("backing", "said"),
    [
        ("dynamo=http://localhost:8000", "--backing names dynamo, but AWS has no such service"),
        ("lambda=http://localhost:8000", "--backing names lambda, but that is a service of Forecourt's own"),
    ],
)
def test_an_endpoint_for_nobody_is_refused(backing: str, said: str) -> None:
    command = [sys.executable, "-m", "forecourt", "start", "--ephemeral", "--port", "0", "--backing", backing]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
