"""`forecourt sfn`: check, try out, follow and draw Step Functions workflows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from forecourt.cli.options import endpoint_option
from forecourt.services.stepfunctions.asl.diagnostics import Diagnostic
from forecourt.services.stepfunctions.asl.picture import draw
from forecourt.services.stepfunctions.asl.validate import load
from forecourt.services.stepfunctions.integrations.catalog import is_known
from forecourt.services.stepfunctions.integrations.mocks import BadMocks, Mocks
from forecourt.services.stepfunctions.run.rehearsal import Rehearsal

_console = Console(highlight=False)
_STYLES = {"Succeeded": "green", "Exited": "green", "Failed": "red", "TimedOut": "red", "Aborted": "yellow"}
_ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
_ROLE = "arn:aws:iam::000000000000:role/forecourt-sfn-run"


@click.group()
def sfn() -> None:
    """Check, try out, follow and draw Step Functions workflows.

    \b
    forecourt sfn validate order.asl.json
    forecourt sfn run order.asl.json --input '{"id": 7}' --mocks MockConfigFile.json --case Happy
    forecourt sfn history arn:aws:states:us-east-1:000000000000:execution:order:e1
    forecourt sfn graph order.asl.json -o order.svg
    """


@sfn.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--express", is_flag=True, help="Check it as an Express workflow.")
def validate(file: Path, express: bool) -> None:
    """Say what is wrong with the definition in FILE, as AWS would."""
    _, found = load(file.read_text(), express, is_known)
    for one in found:
        _show_diagnostic(one)
    if any(one.severity == "ERROR" for one in found):
        raise SystemExit(1)
    _console.print(f"{file}: valid", style="green")


def _show_diagnostic(one: Diagnostic) -> None:
    style = "red" if one.severity == "ERROR" else "yellow"
    # What is not JSON says where in its message
    place = f" at {one.location}" if one.location and one.location not in one.message else ""
    _say(f"{one.severity} {one.code}: {one.message}{place}", style)


def _say(line: str, style: str) -> None:
    _console.print(line, style=style, markup=False, soft_wrap=True)


@sfn.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--input", "input_", default="{}", metavar="JSON", help="The execution's input. [default: {}]")
@click.option("--mocks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A MockConfigFile.json.")
@click.option("--case", default="", help="The test case of the mocks; needed where they have several.")
@click.option("--machine", default="", help="The state machine's name in the mocks; needed where they have several.")
@endpoint_option
def run(file: Path, input_: str, mocks: Path | None, case: str, machine: str, endpoint_url: str) -> None:
    """Run the definition in FILE and show its way.

    With --mocks it runs here, with mocked tasks and without waiting; else on the Forecourt at --endpoint-url.
    """
    definition = file.read_text()
    try:
        json.loads(input_)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--input") from error
    if mocks is not None:
        try:
            _rehearse(definition, input_, Mocks(json.loads(mocks.read_text())), machine, case)
        except BadMocks as error:
            raise click.ClickException(f"{mocks}: {error}") from error
        except ValueError as error:
            raise click.ClickException(f"{mocks} is not JSON: {error}") from error
    else:
        _run_remotely(definition, input_, endpoint_url)


def _rehearse(definition: str, input: str, mocks: Mocks, machine_name: str, case: str) -> None:
    machine, found = load(definition, knows=is_known)
    if machine is None:
        for one in found:
            _show_diagnostic(one)
        raise SystemExit(1)
    machine_name = _chosen(machine_name, mocks.machines, "--machine")
    case = _chosen(case, mocks.cases(machine_name), "--case")
    rehearsal = Rehearsal(machine, input, machine_name, case, mocks)
    _follow(rehearsal.events())
    _end(rehearsal.execution.status, *rehearsal.outcome())


def _chosen(given: str, choices: list[str], option: str) -> str:
    if given in choices:
        return given
    if given or len(choices) != 1:
        raise click.UsageError(f"Name one with {option}: {', '.join(choices) or 'there is none'}")
    return choices[0]


def _run_remotely(definition: str, input: str, endpoint_url: str) -> None:
    client = _client(endpoint_url)
    created = _asked(
        lambda: client.create_state_machine(
            name=f"sfn-run-{time.time_ns()}", definition=definition, roleArn=_ROLE, type="STANDARD"
        )
    )
    try:
        arn = client.start_execution(stateMachineArn=created["stateMachineArn"], input=input)["executionArn"]
        _follow(_live_events(client, arn))
        described = client.describe_execution(executionArn=arn)
    finally:
        client.delete_state_machine(stateMachineArn=created["stateMachineArn"])
    _end(described["status"], described.get("output"), described.get("error"), described.get("cause"))


def _live_events(client: Any, arn: str) -> Iterator[dict[str, Any]]:
    seen = 0
    while True:
        ended = client.describe_execution(executionArn=arn)["status"] in _ENDED
        for event in _history(client, arn):
            if event["id"] > seen:
                seen = event["id"]
                yield {**event, "timestamp": event["timestamp"].timestamp()}
        if ended:
            return
        time.sleep(0.2)


def _follow(events: Iterator[dict[str, Any]]) -> None:
    """One line per state that is left or fails, with the seconds that it took."""
    entered: dict[str, float] = {}
    for event in events:
        details = _details(event)
        name = details.get("name", "")
        if event["type"].endswith("StateEntered"):
            entered[name] = event["timestamp"]
            _say(f"  {name}", "bold")
        elif event["type"].endswith("StateExited"):
            took = event["timestamp"] - entered.get(name, event["timestamp"])
            _say(f"  {name} {took:.1f}s  {_short(details.get('output', ''))}", "green")
        elif style := next((s for end, s in _STYLES.items() if event["type"].endswith(end)), None):
            cause = f"  {details.get('error') or ''} {_short(details.get('cause') or '')}"
            if style != "green":
                _say(f"    {event['type']}{cause}", style)


def _end(status: str, output: str | None, error: str | None, cause: str | None) -> None:
    good = status == "SUCCEEDED"
    _console.print(status, style="bold green" if good else "bold red")
    click.echo(output if good else " ".join(part for part in (error, cause) if part))
    if not good:
        raise SystemExit(1)


@sfn.command()
@click.argument("arn")
@endpoint_option
def history(arn: str, endpoint_url: str) -> None:
    """Show the history of the execution ARN as a table."""
    table = Table(show_edge=False)
    for column in ("Id", "Prev.", "Time", "Type", "Details"):
        table.add_column(column, overflow="fold")
    first: float | None = None
    client = _client(endpoint_url)
    for event in _asked(lambda: list(_history(client, arn))):
        at = event["timestamp"].timestamp()
        first = at if first is None else first
        shown = "  ".join(
            f"{key}={_short(str(value))}" for key, value in _details(event).items() if "Details" not in key
        )
        style = next((style for end, style in _STYLES.items() if event["type"].endswith(end)), "")
        table.add_row(
            str(event["id"]), str(event["previousEventId"]), f"+{at - first:.3f}s", event["type"], shown, style=style
        )
    _console.print(table)


@sfn.command()
@click.argument("source", metavar="FILE|ARN")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The SVG to write."
)
@endpoint_option
def graph(source: str, output: Path, endpoint_url: str) -> None:
    """Draw a workflow: from a FILE, of a state machine's ARN, or of an execution's ARN with its states coloured."""
    statuses: dict[str, str] = {}
    if source.startswith("arn:"):
        client = _client(endpoint_url)
        if ":execution:" in source:
            found = _asked(lambda: client.describe_state_machine_for_execution(executionArn=source))
            statuses = state_statuses(_history(client, source))
        else:
            found = _asked(lambda: client.describe_state_machine(stateMachineArn=source))
        definition = found["definition"]
    else:
        try:
            definition = Path(source).read_text()
        except OSError as error:
            raise click.ClickException(f"{source} cannot be read: {error.strerror}") from error
    _, diagnostics = load(definition)
    wrong = [one for one in diagnostics if one.severity == "ERROR"]
    for one in wrong:
        _show_diagnostic(one)
    # What a deployment fills in, `${Function}`, does not keep from drawing.
    if not all((one.location or "").endswith("/Resource") for one in wrong):
        raise SystemExit(1)
    output.write_text(draw(json.loads(definition), statuses))
    click.echo(f"wrote {output}")


def state_statuses(events: Iterator[dict[str, Any]]) -> dict[str, str]:
    """How each state of an execution ended, the last time that it was visited."""
    statuses: dict[str, str] = {}
    current: dict[int, str] = {}
    for event in events:
        name = _details(event).get("name") or current.get(event["previousEventId"], "")
        current[event["id"]] = name
        if event["type"].endswith("StateEntered"):
            statuses[name] = "RUNNING"
        elif event["type"].endswith("StateExited"):
            statuses[name] = "CAUGHT" if statuses.get(name) == "FAILED" else "SUCCEEDED"
        elif event["type"].endswith(("Failed", "TimedOut")):
            statuses[name] = "FAILED"
        elif event["type"].endswith("Aborted"):
            statuses[name] = "ABORTED"
    statuses.pop("", None)
    return statuses


def _details(event: dict[str, Any]) -> dict[str, Any]:
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _history(client: Any, arn: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("get_execution_history").paginate(executionArn=arn):
        yield from page["events"]


def _client(endpoint_url: str) -> Any:
    import botocore.session

    session = botocore.session.get_session()
    if session.get_credentials() is None:
        session.set_credentials("forecourt", "forecourt")
    region = session.get_config_variable("region") or "us-east-1"
    return session.create_client("stepfunctions", region_name=region, endpoint_url=endpoint_url)


def _asked(call: Callable[[], Any]) -> Any:
    """The answer; ends the command with a sentence where there is none."""
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    try:
        return call()
    except ClientError as error:
        _refuse(error.response["Error"]["Message"])
    except EndpointConnectionError:
        _refuse("No Forecourt answers. Start one with `forecourt start`, or name another --endpoint-url.")
    except BotoCoreError as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    raise click.ClickException(message)
