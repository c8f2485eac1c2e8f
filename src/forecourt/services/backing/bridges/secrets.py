"""A secret's rotation: its function is called four times, each time once it has done the step before.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from forecourt.services.backing.bridges.notes import as_json, noted
from forecourt.services.backing.deliveries import Delivery
from forecourt.services.backing.last_resorts import RetryPolicy


def install() -> None:
    from moto.secretsmanager.models import SecretsManagerBackend

    SecretsManagerBackend.rotate_secret = _rotated(SecretsManagerBackend.rotate_secret)  # type: ignore[method-assign]


def _rotated(motos: Callable[..., str]) -> Callable[..., str]:
    """moto asks its own simulation of Lambda for the function: in its place stands one who notes what is asked."""

    def rotate_secret(self: Any, secret_id: str, *args: Any, **more: Any) -> str:
        from moto.awslambda import utils

        lambdas = utils.get_backend
        utils.get_backend = lambda *_: _Steps(self, secret_id)  # type: ignore[assignment]
        try:
            return motos(self, secret_id, *args, **more)
        finally:
            utils.get_backend = lambdas

    return rotate_secret


class _Steps:
    def __init__(self, backend: Any, secret_id: str) -> None:
        self._backend = backend
        self._secret_id = secret_id
        self._before = False

    def get_function(self, arn: str) -> None:
        """Whether it is there, the call will tell."""

    def invoke(self, arn: str, qualifier: Any, body: str, headers: Any, response_headers: Any) -> None:
        secret_arn = self._backend.secrets[self._secret_id].arn
        event = {**json.loads(body), "SecretId": secret_arn}
        noted.append(
            Delivery(
                account=self._backend.account_id,
                region=self._backend.region_name,
                source="secretsmanager",
                source_arn=secret_arn,
                service="lambda",
                operation="Invoke",
                params={"FunctionName": arn, "Payload": as_json(event).encode()},
                retry=RetryPolicy(0),
                in_turn=self._before,
            )
        )
        self._before = True
