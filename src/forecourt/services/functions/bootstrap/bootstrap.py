"""Forecourt's runtime for Python: asks the Runtime API for events, calls the handler, answers.

Runs in a process of its own, started with `-S`, under any Python from 3.8. Follows AWS's documented behaviour of the
managed runtimes: handler names, error types and documents, the context object, logging. One socket, no HTTP library:
an answer and the next `next` leave in one write, which our listener understands.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
"""

from __future__ import annotations

import decimal
import importlib
import importlib.machinery
import io
import json
import logging
import os
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # without the cost of importing `typing`
    from collections.abc import Callable
    from typing import Any, NoReturn

    # Status, headers, body
    Reply = tuple[int, dict[str, str], bytes]
    Document = dict[str, Any]

ROOT = "/2018-06-01/runtime"
NO_TRACE: list[str] = []
# What AWS's runtimes bring along; anything else has to come with the function or a layer.
PROVIDED_PACKAGES = frozenset(("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"))


class Fault(Exception):
    """An error that the runtime itself finds."""

    def __init__(self, error_type: str, message: str, trace: list[str] = NO_TRACE) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.trace = trace


# The Runtime API


class RuntimeApi:
    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.host = address
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.next_request = f"GET {ROOT}/invocation/next HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()

    def next(self) -> Reply:
        """The first event."""
        self.socket.sendall(self.next_request)
        return self.read_reply()

    def answer(self, request_id: str, body: bytes) -> Reply:
        return self.post(f"/invocation/{request_id}/response", body, "", self.next_request)

    def error(self, request_id: str, error: Document) -> Reply:
        header = "Lambda-Runtime-Function-Error-Type: {}\r\n".format(error["errorType"])
        return self.post(f"/invocation/{request_id}/error", to_json(error), header, self.next_request)

    def init_error(self, error: Document) -> None:
        header = "Lambda-Runtime-Function-Error-Type: {}\r\n".format(error["errorType"])
        self.post("/init/error", to_json(error), header, b"")

    def post(self, path: str, body: bytes, header: str, follow_up: bytes) -> Reply:
        """Sends the request, and `follow_up` with it; returns the reply to the last."""
        head = (
            f"POST {ROOT}{path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
            f"{header}Content-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode("latin-1", "replace") + body + follow_up)
        status, headers, reply = self.read_reply()
        if status != 202:
            log(f"[ERROR] LAMBDA_RUNTIME Failed to post handler response. Http response code: {status}.")
        return self.read_reply() if follow_up else (status, headers, reply)

    def read_reply(self) -> Reply:
        end = self.buffer.find(b"\r\n\r\n")
        while end < 0:
            self.receive()
            end = self.buffer.find(b"\r\n\r\n")
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        self.buffer = self.buffer[end + 4 :]
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name] = value
        length = int(headers["Content-Length"])
        if len(self.buffer) < length:
            return int(lines[0][9:12]), headers, self.read_rest(length)
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(lines[0][9:12]), headers, body

    def read_rest(self, length: int) -> bytes:
        chunks, missing = [self.buffer], length - len(self.buffer)
        while missing:
            chunk = self.socket.recv(min(missing, 1 << 20)) or self.gone()
            chunks.append(chunk)
            missing -= len(chunk)
        self.buffer = b""
        return b"".join(chunks)

    def receive(self) -> None:
        self.buffer += self.socket.recv(65536) or self.gone()

    @staticmethod
    def gone() -> NoReturn:
        """Forecourt has ended."""
        os._exit(0)


# JSON


def default(value: object) -> float:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


encoder = json.JSONEncoder(ensure_ascii=False, default=default, allow_nan=sys.version_info < (3, 12))


def to_json(value: object) -> bytes:
    # A lone surrogate is no UTF-8; escaped it is still JSON.
    text = encoder.encode(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, default=default).encode("ascii")


# Errors


def error_document(error_type: str, message: str, trace: list[str], request_id: str = "") -> Document:
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}


def describe(error: Exception, request_id: str = "") -> Document:
    """The document of an exception, without the frames of this file."""
    if isinstance(error, Fault):
        return error_document(error.error_type, str(error), error.trace, request_id)
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_ours(frame.filename)]
    return error_document(type(error).__name__, str(error), traceback.format_list(frames), request_id)


def is_ours(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen importlib")


def log_error(document: Document) -> None:
    lines = ["[ERROR] {errorType}: {errorMessage}".format(**document)]
    if document["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        lines.extend(line.rstrip("\n") for line in document["stackTrace"])
    log("\n".join(lines))


# Logging


def log(text: str) -> None:
    """One log event: a carriage return inside a line is a line break within the event."""
    sys.stdout.write(text.replace("\n", "\r") + "\n")


class LogHandler(logging.Handler):
    """The handler that AWS puts on the root logger."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log(self.format(record))
        except Exception:
            self.handleError(record)


class JsonFormatter(logging.Formatter):
    """https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html#python-logging-advanced"""

    def format(self, record: logging.LogRecord) -> str:
        entry: Document = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": current.request_id,
        }
        if record.exc_info:
            entry["errorType"] = record.exc_info[0].__name__ if record.exc_info[0] else None
            entry["errorMessage"] = str(record.exc_info[1])
            entry["stackTrace"] = self.formatException(record.exc_info).split("\n")
        entry.update((name, value) for name, value in vars(record).items() if name not in STANDARD_ATTRIBUTES)
        return json.dumps({name: value for name, value in entry.items() if value is not None}, default=str)


STANDARD_ATTRIBUTES = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id"))
LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}


class Current:
    """The invocation at work, for the log."""

    request_id = ""


current = Current()


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = current.request_id
        return True


def set_up_logging() -> None:
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        formatter: logging.Formatter = JsonFormatter()
    else:
        text = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        formatter = logging.Formatter(text, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = LogHandler()
    handler.setFormatter(formatter)
    handler.addFilter(RequestIdFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL")
    if level:
        root.setLevel(LEVELS.get(level, level))


# The handler


class ProvidedPackages:
    """Finds the packages that AWS's runtime has, and no others, where Forecourt has its own."""

    folders = [os.environ.pop("FORECOURT_SITE_PACKAGES", "")]

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: Any = None) -> Any:
        if path is None and name in PROVIDED_PACKAGES:
            return importlib.machinery.PathFinder.find_spec(name, cls.folders, target)
        return None


def set_up_paths() -> None:
    """As AWS orders them: the function, its layers, the runtime's packages."""
    opt = os.environ.pop("FORECOURT_OPT")
    version = "python{}.{}".format(*sys.version_info)
    sys.path[0:1] = [
        os.environ["LAMBDA_TASK_ROOT"],
        f"{opt}/python/lib/{version}/site-packages",
        f"{opt}/python",
    ]
    sys.meta_path.append(ProvidedPackages)


def load_handler(name: str) -> Callable[[Any, LambdaContext], object]:
    module_name, dot, function = name.rpartition(".")
    if not dot:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", message)
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise Fault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, trace) from error
    try:
        handler: Callable[[Any, LambdaContext], object] = getattr(module, function)
    except AttributeError:
        message = f"Handler '{function}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None
    return handler


# The context object: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html


class CognitoIdentity:
    def __init__(self, text: str | None) -> None:
        identity = json.loads(text) if text else {}
        self.cognito_identity_id = identity.get("cognitoIdentityId")
        self.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")


class Client:
    def __init__(self, client: Document) -> None:
        self.installation_id = client.get("installation_id")
        self.app_title = client.get("app_title")
        self.app_version_name = client.get("app_version_name")
        self.app_version_code = client.get("app_version_code")
        self.app_package_name = client.get("app_package_name")


class ClientContext:
    def __init__(self, document: Document) -> None:
        self.custom = document.get("custom")
        self.env = document.get("env")
        self.client = Client(document["client"]) if "client" in document else None


class LambdaContext:
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
    memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")

    def __init__(self, request_id: str, headers: dict[str, str]) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers.get("Lambda-Runtime-Tenant-Id")
        client_context = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = ClientContext(json.loads(client_context)) if client_context else None
        self.identity = CognitoIdentity(headers.get("Lambda-Runtime-Cognito-Identity"))
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        shown = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )  # fmt: skip
        return "LambdaContext([{}])".format(",".join(f"{name}={getattr(self, name)}" for name in shown))


# The loop


def invoke(
    handler: Callable[[Any, LambdaContext], object], request_id: str, headers: dict[str, str], body: bytes
) -> bytes:
    """The handler's result as JSON."""
    try:
        event = json.loads(body)
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
    result = handler(event, LambdaContext(request_id, headers))
    try:
        return to_json(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def serve(api: RuntimeApi, handler: Callable[[Any, LambdaContext], object]) -> NoReturn:
    _, headers, body = api.next()
    while True:
        request_id = current.request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"]
        try:
            answer = invoke(handler, request_id, headers, body)
        except Exception as error:
            document = describe(error, request_id)
            log_error(document)
            sys.stdout.flush()
            sys.stderr.flush()
            _, headers, body = api.error(request_id, document)
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            _, headers, body = api.answer(request_id, answer)


def main() -> None:
    # Started with -S for speed; scripts still expect `exit`.
    import site

    site.setquit()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    set_up_paths()
    set_up_logging()
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        document = describe(error)
        log_error(document)
        sys.stdout.flush()
        api.init_error(document)
        sys.exit(1)
    serve(api, handler)


main()
