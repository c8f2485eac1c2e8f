"""How many of a thing there may be. `--quotas cognito.resource_servers=100` and the like allow another number.

https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html#resource-quotas
Where AWS's model lets an operation fail with LimitExceededException it does, else with InvalidParameterException.
"""

from __future__ import annotations

import msgspec

from forecourt.services.cognito.errors import LimitExceededException


class ResourceQuotas(msgspec.Struct, frozen=True, kw_only=True):
    """Of a pool, where the name does not say otherwise; of an account in a region: pools and custom domains."""

    user_pools: int = 1_000
    custom_domains: int = 4
    clients: int = 1_000
    secrets_per_client: int = 2
    resource_servers: int = 25
    groups: int = 10_000
    groups_per_user: int = 100
    passkeys_per_user: int = 20
    custom_attributes: int = 50
    branding_styles: int = 20
    import_jobs: int = 1_000
    tags: int = 50


def need_room(count: int, quota: int, what: str) -> None:
    """Raises where one more would be one too many."""
    if count >= quota:
        raise LimitExceededException(f"The maximum number of {what} ({quota}) has been reached.")
