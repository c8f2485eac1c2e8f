"""Every service that moto has can be kept whole and read back."""

from __future__ import annotations

from typing import Any

import pytest

from forecourt.services.backing import snapshot
from forecourt.services.backing.shims import SHIMS

ACCOUNT = "000000000000"
# No service, or Forecourt's own.
NOT_SERVICES = {
    "awslambda", "awslambda_simple", "batch_simple", "core", "instance_metadata", "moto_api", "moto_proxy",
    "moto_server", "s3bucket_path", "utilities",
}  # fmt: skip


def services() -> list[str]:
    from moto import backends

    return sorted(set(backends.list_of_moto_modules()) - NOT_SERVICES)


@pytest.fixture(autouse=True)
def empty() -> Any:
    from moto.core.base_backend import BackendDict

    yield
    BackendDict.reset()


def test_the_state_of_all_services_is_kept_and_read_back() -> None:
    from moto import backends
    from moto.core.base_backend import BackendDict

    failed = {}
    for name in services():
        BackendDict.reset()
        every: Any = backends.get_backend(name)  # type: ignore[call-overload]
        SHIMS.install()
        region = "us-east-1" if "us-east-1" in every[ACCOUNT] else "aws"
        backend = every[ACCOUNT][region]
        backend.forecourt_mark = name
        try:
            state = snapshot.dump()
            BackendDict.reset()
            snapshot.restore(state)
        except Exception as error:
            failed[name] = repr(error)
            continue
        if every[ACCOUNT][region] is backend or every[ACCOUNT][region].forecourt_mark != name:
            failed[name] = "not read back"
    assert not failed
    assert len(services()) > 150


def test_what_cannot_be_kept_is_said() -> None:
    from moto.core.base_backend import BackendDict
    from moto.sqs.models import sqs_backends

    sqs_backends[ACCOUNT]["us-east-1"].generator = (number for number in range(3))  # type: ignore[attr-defined]
    with pytest.raises(snapshot.NotPicklable):
        snapshot.dump()
    BackendDict.reset()
