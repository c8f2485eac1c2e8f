"""AWS Lambda: a function's ARN as Resource, and the optimized `lambda:invoke`.

A function that fails gives its own error's name. What has no name is `Lambda.Unknown`.
"""

from __future__ import annotations

from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl.data import Data, from_text, to_text
from forecourt.services.stepfunctions.integrations.call import ServiceCalls, optimized_error, with_metadata
from forecourt.services.stepfunctions.integrations.job import Job, TaskError


async def invoke_arn(calls: ServiceCalls, job: Job) -> Data:
    """The state's input is the payload; the function's answer is the result."""
    output = await _invoke(calls, job, {"FunctionName": job.resource.arn, "Payload": job.arguments.text.encode()})
    return Data(_payload(output))


async def invoke(calls: ServiceCalls, job: Job) -> Data:
    """Parameters as of the Lambda API; the result is the API's answer with the payload decoded."""
    arguments = job.arguments.value
    if not isinstance(arguments, dict) or not isinstance(arguments.get("FunctionName"), str):
        raise TaskError("States.Runtime", "The Parameters of lambda:invoke must name a FunctionName")
    for key in arguments:
        if key not in _PARAMETERS:
            raise TaskError("States.Runtime", f'The field "{key}" is not supported by Step Functions')
    params = {key: value for key, value in arguments.items() if value is not None}
    if "Payload" in params:
        params["Payload"] = to_text(params["Payload"]).encode()
    output = await _invoke(calls, job, params)
    result: dict[str, Any] = {"ExecutedVersion": output.get("ExecutedVersion", "$LATEST")}
    if params.get("InvocationType", "RequestResponse") == "RequestResponse":
        result["Payload"] = _payload(output)
    if output.get("LogResult"):
        result["LogResult"] = output["LogResult"]
    status = output.get("StatusCode", 200)
    headers = {
        "X-Amz-Executed-Version": result["ExecutedVersion"],
        "x-amzn-Remapped-Content-Length": "0",
        "Connection": "keep-alive",
        "Content-Length": str(len(output.get("Payload") or b"")),
        "Content-Type": "application/json",
    }
    return Data({**with_metadata(result, job.repeatable_id, status, headers), "StatusCode": status})


_PARAMETERS = ("FunctionName", "InvocationType", "LogType", "ClientContext", "Payload", "Qualifier")


async def _invoke(calls: ServiceCalls, job: Job, params: dict[str, Any]) -> dict[str, Any]:
    try:
        output = await calls.raw(job, "lambda", "Invoke", params)
    except ServiceError as error:
        raise optimized_error("lambda", error, job.repeatable_id) from error
    if output.get("FunctionError"):
        raise _function_error(_payload(output))
    return output


def _payload(output: dict[str, Any]) -> Any:
    """The payload as JSON; as text where it is none."""
    payload = output.get("Payload") or b""
    text = payload if isinstance(payload, str) else bytes(payload).decode(errors="replace")
    if not text:
        return None
    try:
        return from_text(text)
    except ValueError:
        return text


def _function_error(payload: Any) -> TaskError:
    text = to_text(payload)
    if isinstance(payload, dict) and payload.get("errorType"):
        return TaskError(str(payload["errorType"]), text)
    return TaskError(
        "Lambda.Unknown",
        f"The cause could not be determined because Lambda did not return an error type. Returned payload: {text}",
    )
