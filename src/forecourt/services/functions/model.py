"""What Lambda keeps: functions, their versions and aliases, layers, and the settings that hang on a qualifier.

Numbers that are part of a key are padded, so that key order is their order. Environment variables are sealed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from forecourt.services.functions.names import LATEST, function_arn
from forecourt.store import Document, Index


def padded(number: int) -> str:
    return f"{number:010d}"


class LayerReference(msgspec.Struct, frozen=True):
    arn: str
    code: str
    code_size: int


class Configuration(msgspec.Struct, kw_only=True):
    """What a version freezes. `code` is the SHA-256 of the zip in hex, the name of its blob."""

    code: str
    code_sha256: str
    code_size: int
    runtime: str
    handler: str
    role: str
    # Sealed msgpack of the variables; empty: none were ever given
    variables: bytes = b""
    description: str = ""
    timeout: int = 3
    memory_size: int = 128
    architectures: list[str] = msgspec.field(default_factory=lambda: ["x86_64"])
    ephemeral_storage: int = 512
    layers: list[LayerReference] = []
    dead_letter_arn: str = ""
    kms_key_arn: str = ""
    tracing_mode: str = "PassThrough"
    snap_start: str = "None"
    log_format: str = "Text"
    log_group: str = ""
    application_log_level: str = ""
    system_log_level: str = ""
    subnet_ids: list[str] = []
    security_group_ids: list[str] = []
    file_systems: list[dict[str, str]] = []
    last_modified: str = ""
    revision_id: str = ""

    def same_as(self, other: Configuration) -> bool:
        """Nothing that a new version would freeze differs."""
        return msgspec.structs.replace(self, last_modified="", revision_id="") == msgspec.structs.replace(
            other, last_modified="", revision_id=""
        )


def codes(configuration: Configuration) -> list[str]:
    """Every blob that it refers to."""
    return [configuration.code, *(layer.code for layer in configuration.layers)]


def _codes(document: Any) -> Iterable[tuple[str, ...]]:
    return [(code,) for code in codes(document.configuration)]


class Function(Document):
    """A function with its unpublished version, `$LATEST`."""

    __kind__ = "lambda.Function"
    __key__ = ("account", "region", "name")
    __indexes__ = (Index("by_code", values=_codes),)

    account: str
    region: str
    name: str
    configuration: Configuration
    next_version: int = 1
    reserved_concurrency: int | None = None
    tags: dict[str, str] = {}
    recursive_loop: str = "Terminate"
    # The ARN of a `CodeSigningConfig`
    code_signing_config: str = ""

    version = LATEST

    @property
    def arn(self) -> str:
        return function_arn(self.account, self.region, self.name)


class Version(Document):
    """A published version: frozen, but for its going."""

    __kind__ = "lambda.Version"
    __key__ = ("account", "region", "name", "number")
    __indexes__ = (Index("by_code", values=_codes),)

    account: str
    region: str
    name: str
    number: str
    configuration: Configuration

    @property
    def version(self) -> str:
        return str(int(self.number))


class Alias(Document):
    __kind__ = "lambda.Alias"
    __key__ = ("account", "region", "name", "alias")

    account: str
    region: str
    name: str
    alias: str
    version: str
    description: str = ""
    weights: dict[str, float] = {}
    revision_id: str = ""

    @property
    def arn(self) -> str:
        return function_arn(self.account, self.region, self.name, self.alias)


class ResourcePolicy(Document):
    """Who else may use a function, or a version or alias of it (`qualifier`; empty: the function)."""

    __kind__ = "lambda.ResourcePolicy"
    __key__ = ("account", "region", "name", "qualifier")

    account: str
    region: str
    name: str
    qualifier: str
    statements: list[dict[str, Any]] = []
    revision_id: str = ""


class EventInvokeConfig(Document):
    __kind__ = "lambda.EventInvokeConfig"
    __key__ = ("account", "region", "name", "qualifier")

    account: str
    region: str
    name: str
    qualifier: str
    maximum_retry_attempts: int | None = None
    maximum_event_age: int | None = None
    on_success: str = ""
    on_failure: str = ""
    last_modified: float = 0.0


class ProvisionedConcurrency(Document):
    __kind__ = "lambda.ProvisionedConcurrency"
    __key__ = ("account", "region", "name", "qualifier")

    account: str
    region: str
    name: str
    qualifier: str
    requested: int
    last_modified: str = ""


class RuntimeManagement(Document):
    """When the runtime of a version (`$LATEST` too) is renewed."""

    __kind__ = "lambda.RuntimeManagement"
    __key__ = ("account", "region", "name", "qualifier")

    account: str
    region: str
    name: str
    qualifier: str
    mode: str
    runtime_version_arn: str = ""


class UrlConfig(Document):
    """A function URL. `id` is the first label of its host."""

    __kind__ = "lambda.UrlConfig"
    __key__ = ("account", "region", "name", "qualifier")
    __indexes__ = (Index("by_id", fields=("id",), unique=True),)

    account: str
    region: str
    name: str
    qualifier: str
    id: str
    auth_type: str
    invoke_mode: str = "BUFFERED"
    cors: dict[str, Any] | None = None
    created_at: str = ""
    last_modified: str = ""


class CodeSigningConfig(Document):
    """`policy`: what becomes of code that no publisher signed, `Warn` or `Enforce`."""

    __kind__ = "lambda.CodeSigningConfig"
    __key__ = ("account", "region", "id")

    account: str
    region: str
    id: str
    description: str
    publishers: list[str]
    policy: str
    last_modified: str
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:code-signing-config:{self.id}"


class Layer(Document):
    """Counts a layer's versions: a number is never given twice."""

    __kind__ = "lambda.Layer"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    next_version: int = 1


class LayerVersion(Document):
    __kind__ = "lambda.LayerVersion"
    __key__ = ("account", "region", "name", "number")
    __indexes__ = (Index("by_code", fields=("code",)),)

    account: str
    region: str
    name: str
    number: str
    code: str
    code_sha256: str
    code_size: int
    description: str = ""
    license_info: str = ""
    runtimes: list[str] | None = None
    architectures: list[str] | None = None
    created_at: str = ""
    statements: list[dict[str, Any]] = []
    policy_revision_id: str = ""

    @property
    def version(self) -> int:
        return int(self.number)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"


class EventSourceMapping(Document):
    """Feeds a function from a queue or stream. `qualifier` is empty for the function itself."""

    __kind__ = "lambda.EventSourceMapping"
    __key__ = ("account", "region", "uuid")
    __indexes__ = (Index("by_function", fields=("account", "region", "name")),)

    account: str
    region: str
    uuid: str
    name: str
    qualifier: str
    source_arn: str
    enabled: bool = True
    batch_size: int = 10
    window_seconds: int = 0
    # EventBridge patterns as JSON text: a record passes where one of them matches
    filters: list[str] = []
    report_item_failures: bool = False
    maximum_concurrency: int | None = None
    # Streams only
    starting_position: str = ""
    starting_timestamp: float = 0.0
    maximum_retry_attempts: int = -1
    maximum_record_age: int = -1
    bisect: bool = False
    parallelization: int = 1
    tumbling_seconds: int = 0
    on_failure: str = ""
    last_modified: float = 0.0
    tags: dict[str, str] = {}

    @property
    def service(self) -> str:
        return self.source_arn.split(":")[2]


class Checkpoint(Document):
    """How far a mapping has read a shard of its stream; and the tumbling window that is open there, with its state."""

    __kind__ = "lambda.Checkpoint"
    __key__ = ("account", "region", "uuid", "shard")

    account: str
    region: str
    uuid: str
    shard: str
    sequence_number: str
    window_start: int = 0
    # As JSON
    state: bytes = b""


# What goes with a function
BELONGINGS: tuple[type[Document], ...] = (
    Version,
    Alias,
    ResourcePolicy,
    EventInvokeConfig,
    ProvisionedConcurrency,
    UrlConfig,
    RuntimeManagement,
)
# What refers to blobs
REFERRERS: tuple[type[Document], ...] = (Function, Version, LayerVersion)
