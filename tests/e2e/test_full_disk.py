"""A disk that is full, as the process sees it: files that may not grow. Refused in a sentence, and it ends well."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from forecourt.testing import Forecourt

ONCE = Config(retries={"total_max_attempts": 1})


def test_a_full_disk_refuses_writes_and_ends_without_a_traceback(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path) as server:
        apis, logs, s3 = (server.client(name, config=ONCE) for name in ("apigateway", "logs", "s3"))
        kept = apis.create_rest_api(name="kept")["id"]
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        s3.create_bucket(Bucket="bucket")
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        with pytest.raises(ClientError) as refused:
            apis.create_rest_api(name="more", description="x" * 1000)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailableException"
        assert "The store is not available" in refused.value.response["Error"]["Message"]
        event = {"timestamp": int(time.time() * 1000), "message": "x" * 10_000}
        with pytest.raises(ClientError, match="The log folder can't be written"):
            logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[event])
        assert kept in [api["id"] for api in apis.get_rest_apis()["items"]]
        assert server.stop() == 0
        assert "Traceback" not in server.output
    with Forecourt(data=tmp_path) as server:
        assert kept in [api["id"] for api in server.client("apigateway").get_rest_apis()["items"]]
