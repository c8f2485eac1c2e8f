"""Users imported from a CSV file.

CreateUserImportJob gives a URL to which the file is put; StartUserImportJob reads it in the background. Imported users
have no password: they are RESET_REQUIRED and set one by the code that ForgotPassword sends to their verified address.
What became of each line is told to the log group `/aws/cognito/userpools/{pool id}/{pool name}`, without its contents.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-using-import-tool.html
"""

from __future__ import annotations

import asyncio
import csv
import hmac
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.errors import ServiceError
from forecourt.base.ports import LogSink
from forecourt.services.cognito import errors, schema
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.model import ImportJob, Pool
from forecourt.services.cognito.pools import import_rows, paging
from forecourt.services.cognito.pools.import_rows import Result, Row
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.store import insert_user, token_hash
from forecourt.services.cognito.users.attributes import refresh_aliases
from forecourt.services.cognito.users.sign_up import draft_user
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_log = logging.getLogger("forecourt.cognito.imports")
LARGEST_CSV = 100_000_000
_EXPIRES_SECONDS = 15 * 60
# A job that nobody starts.
_WAITS_SECONDS = 86400
_BATCH = 200


class ImportsApi:
    def __init__(self, kit: Kit, logs: LogSink | None, public_url: str) -> None:
        self._kit = kit
        self._logs = logs
        self._records = kit.records
        self._public_url = public_url
        self._running: set[asyncio.Task[None]] = set()

    @operation("GetCSVHeader")
    async def get_csv_header(self, context: CallContext, request: t.GetCSVHeaderRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        return {"UserPoolId": pool.id, "CSVHeader": import_rows.header(pool)}

    @operation("CreateUserImportJob")
    async def create_user_import_job(
        self, context: CallContext, request: t.CreateUserImportJobRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        if "PasswordHashingAlgorithm" in request:
            raise errors.not_supported("PasswordHashingAlgorithm")
        secret = self._records.ids.lower(40)
        job = ImportJob(
            pool_id=pool.id,
            id=f"import-{self._records.ids.alnum(10)}",
            name=request["JobName"],
            role_arn=request["CloudWatchLogsRoleArn"],
            created_at=self._records.clock.now(),
            upload_hash=token_hash(secret),
        )

        def insert(tx: Tx) -> None:
            need_room(tx.count(ImportJob, pool.id), self._records.quotas.import_jobs, "import jobs of this user pool")
            tx.insert(job)

        await self._records.store.write(insert)
        url = f"{self._public_url}/_aws/cognito/{pool.id}/import/{job.id}?token={secret}"
        return {"UserImportJob": {**self._shown(job), "PreSignedUrl": url}}

    @operation("DescribeUserImportJob")
    async def describe_user_import_job(
        self, context: CallContext, request: t.DescribeUserImportJobRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        return {"UserImportJob": self._shown(await self._job(pool, request["JobId"]))}

    @operation("ListUserImportJobs")
    async def list_user_import_jobs(
        self, context: CallContext, request: t.ListUserImportJobsRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        jobs, token = await paging.page(
            self._records.store,
            ImportJob,
            pool.id,
            token=request.get("PaginationToken"),
            limit=request["MaxResults"],
        )
        return paging.with_token({"UserImportJobs": [self._shown(job) for job in jobs]}, "PaginationToken", token)

    @operation("StartUserImportJob")
    async def start_user_import_job(
        self, context: CallContext, request: t.StartUserImportJobRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        job = await self._job(pool, request["JobId"])
        if self._status(job) != "Created":
            raise errors.PreconditionNotMetException(f"The job is {self._status(job)}, not Created.")
        if not job.csv:
            raise errors.PreconditionNotMetException("No CSV file was uploaded.")
        now = self._records.clock.now()
        job = await self._change(job, status="InProgress", started_at=now)
        self._go(pool, job)
        return {"UserImportJob": {**self._shown(job), "Status": "Pending"}}

    @operation("StopUserImportJob")
    async def stop_user_import_job(
        self, context: CallContext, request: t.StopUserImportJobRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        job = await self._job(pool, request["JobId"])
        if job.status not in ("Created", "Pending", "InProgress"):
            raise errors.PreconditionNotMetException(f"The job is {job.status}.")
        job = await self._change(job, status="Stopped", completed_at=self._records.clock.now())
        return {"UserImportJob": self._shown(job)}

    async def upload(self, pool_id: str, job_id: str, token: str, data: bytes) -> bool:
        """The body that was put to the job's URL. False where the URL is not good."""
        job = await self._records.store.get(ImportJob, pool_id, job_id)
        now = self._records.clock.now()
        good = job is not None and hmac.compare_digest(job.upload_hash, token_hash(token))
        if job is None or not good or job.created_at + _EXPIRES_SECONDS < now:
            return False
        if job.status == "Created":
            await self._change(job, csv=data)
        return True

    async def resume(self) -> None:
        """Goes on with what was under way when the process ended."""
        for job in await self._records.store.list(ImportJob):
            pool = await self._records.find_pool(job.pool_id)
            if job.status == "InProgress" and pool is not None:
                self._go(pool, job)

    def _go(self, pool: Pool, job: ImportJob) -> None:
        task = asyncio.create_task(self._run(pool, job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, pool: Pool, job: ImportJob) -> None:
        try:
            await self._import_all(pool, job)
        except Exception:
            _log.exception("an import of users failed")
            await self._change(job, status="Failed", message="internal_error", completed_at=self._records.clock.now())

    async def _import_all(self, pool: Pool, job: ImportJob) -> None:
        try:
            rows = await asyncio.to_thread(import_rows.read, pool, job.csv)
        except (UnicodeDecodeError, csv.Error, errors.InvalidParameterException) as error:
            await self._change(job, status="Failed", message=_one_word(error), completed_at=self._records.clock.now())
            return
        for start in range(job.position, len(rows), _BATCH):
            batch = partial(self._import_batch, pool=pool, job=job, rows=rows[start : start + _BATCH])
            results = await self._records.store.write_long(batch)
            if results is None:
                return
            self._tell(pool, job, start, results)
        done = {"status": "Succeeded", "message": "import_succeeded", "completed_at": self._records.clock.now()}
        await self._change(job, csv=b"", **done)

    def _import_batch(self, tx: Tx, pool: Pool, job: ImportJob, rows: list[Row]) -> list[Result] | None:
        """Users and the job's counts in one transaction. None where the job was stopped."""
        current = tx.get(ImportJob, job.pool_id, job.id)
        if current is None or current.status != "InProgress":
            return None
        results = [self._import(tx, pool, row) for row in rows]
        words = [result.word for result in results]
        current.position += len(rows)
        current.imported += words.count("SUCCEEDED")
        current.skipped += words.count("SKIPPED")
        current.failed += words.count("FAILED")
        tx.put(current)
        return results

    def _tell(self, pool: Pool, job: ImportJob, start: int, results: Sequence[Result]) -> None:
        """The header is the file's first line."""
        if self._logs is None:
            return
        group, stream = f"/aws/cognito/userpools/{pool.id}/{pool.name}", f"{job.id}/{job.name}"
        now = int(self._records.clock.now() * 1000)
        for line, result in enumerate(results, start + 2):
            text = f"[{result.word}] Line Number {line} - {result.reason}"
            self._logs.write(pool.account, pool.region, group, stream, now, text)

    def _import(self, tx: Tx, pool: Pool, row: Row) -> Result:
        """One line. What is wrong with it concerns this line only."""
        try:
            user = draft_user(self._kit, pool, import_rows.username(pool, row), import_rows.attributes(row))
            schema.check_values(pool.schema, {n: v for n, v in user.attributes.items() if n != "sub"})
            schema.check_required(pool.schema, user.attributes)
            if "true" not in (user.attributes.get("email_verified"), user.attributes.get("phone_number_verified")):
                return import_rows.UNVERIFIED
            user.status = "RESET_REQUIRED"
            user.mfa = import_rows.second_factor(row, user)
            refresh_aliases(pool, user)
            insert_user(tx, user)
        except errors.UsernameExistsException:
            return import_rows.SKIPPED
        except ServiceError as error:
            return Result("FAILED", error.message.strip())
        except AlreadyExists:
            return import_rows.SKIPPED
        return import_rows.SUCCEEDED

    async def _job(self, pool: Pool, job_id: str) -> ImportJob:
        job = await self._records.store.get(ImportJob, pool.id, job_id)
        if job is None:
            raise errors.ResourceNotFoundException("User import job does not exist.")
        return job

    async def _change(self, job: ImportJob, **changes: Any) -> ImportJob:
        def apply(tx: Tx) -> ImportJob:
            current = tx.get(ImportJob, job.pool_id, job.id) or job
            for name, value in changes.items():
                setattr(current, name, value)
            tx.put(current)
            return current

        return await self._records.store.write(apply)

    def _status(self, job: ImportJob) -> str:
        waited = self._records.clock.now() - job.created_at
        return "Expired" if job.status == "Created" and waited > _WAITS_SECONDS else job.status

    def _shown(self, job: ImportJob) -> dict[str, Any]:
        optional = {"StartDate": job.started_at, "CompletionDate": job.completed_at, "CompletionMessage": job.message}
        return {
            "JobName": job.name,
            "JobId": job.id,
            "UserPoolId": job.pool_id,
            "CreationDate": job.created_at,
            "Status": self._status(job),
            "CloudWatchLogsRoleArn": job.role_arn,
            "ImportedUsers": job.imported,
            "SkippedUsers": job.skipped,
            "FailedUsers": job.failed,
            **{name: value for name, value in optional.items() if value is not None},
        }


def _one_word(error: Exception) -> str:
    return "invalid_header" if isinstance(error, ServiceError) else "invalid_csv"
