"""What is known of an execution when it starts: the revision it runs, its name and input."""

from __future__ import annotations

from typing import Any

import msgspec

from forecourt.services.stepfunctions.model import ExecutionKey, ExecutionRecord, execution_arn, run_of


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A state machine, or a version of it, as an execution uses it."""

    account: str
    region: str
    machine: str
    digest: str
    role_arn: str
    type: str
    machine_arn: str
    logging: dict[str, Any] = {}
    tracing: dict[str, Any] = {}
    encryption: dict[str, Any] = {}
    version_arn: str = ""
    alias_arn: str = ""
    revision_id: str | None = None
    updated_at: float = 0.0


class StartRequest(msgspec.Struct, frozen=True, kw_only=True):
    revision: Revision
    name: str
    input: str
    trace_header: str | None = None
    map_run_arn: str = ""
    item_count: int = 0

    @property
    def key(self) -> ExecutionKey:
        return self.revision.account, self.revision.region, self.revision.machine, self.name

    @property
    def arn(self) -> str:
        return execution_arn(self.key)

    def record(self, at: float) -> ExecutionRecord:
        r = self.revision
        return ExecutionRecord(
            account=r.account,
            region=r.region,
            machine=r.machine,
            name=self.name,
            machine_arn=r.machine_arn,
            role_arn=r.role_arn,
            digest=r.digest,
            input=self.input,
            started_at=at,
            version_arn=r.version_arn,
            alias_arn=r.alias_arn,
            map_run_arn=self.map_run_arn,
            item_count=self.item_count,
            trace_header=self.trace_header,
            logging=r.logging,
            tracing=r.tracing,
            encryption=r.encryption,
            revision_id=r.revision_id,
            machine_updated_at=r.updated_at,
            run=run_of(self.arn, at),
        )
