"""The operations on user pools themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors, schema, tokens
from forecourt.services.cognito.hashing import Hashing
from forecourt.services.cognito.model import Pool, User
from forecourt.services.cognito.pools import defaults, mfa_config, paging, pool_rules
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.store import Records
from forecourt.store import Tx, position

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_ID_LENGTH = 9


class PoolsApi:
    def __init__(self, records: Records, hashing: Hashing) -> None:
        self._records = records
        self._hashing = hashing

    @operation("CreateUserPool")
    async def create_user_pool(self, context: CallContext, request: t.CreateUserPoolRequestTypeDef) -> dict[str, Any]:
        pool_rules.check_request(request)
        settings = defaults.pool_settings(request)
        pool_rules.check(settings, context.region)
        self._check_tags(settings.get("UserPoolTags", {}))
        now = self._records.clock.now()
        pool = Pool(
            account=context.account,
            region=context.region,
            id=f"{context.region}_{self._records.ids.alnum(_ID_LENGTH)}",
            name=request["PoolName"],
            created_at=now,
            modified_at=now,
            settings=settings,
            schema=schema.build(request.get("Schema", ())),
            mfa=mfa_config.initial(settings),
            pepper=self._records.new_pepper(),
        )
        schema.check_size(pool.schema, self._records.quotas.custom_attributes)
        mfa_config.check(pool)
        key = self._records.new_key(pool.id, await self._hashing.run(tokens.generate_key))

        def create(tx: Tx) -> None:
            need_room(
                tx.count(Pool, pool.account, pool.region), self._records.quotas.user_pools, "user pools of this account"
            )
            tx.insert(pool)
            tx.insert(key)

        await self._records.store.write(create)
        return {"UserPool": defaults.shown_pool(pool, 0, [])}

    @operation("DescribeUserPool")
    async def describe_user_pool(
        self, context: CallContext, request: t.DescribeUserPoolRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        users = await self._records.store.count(User, pool.id)
        return {"UserPool": defaults.shown_pool(pool, users, await self._records.domain_of(pool.id))}

    @operation("ListUserPools")
    async def list_user_pools(self, context: CallContext, request: t.ListUserPoolsRequestTypeDef) -> dict[str, Any]:
        pools, token = await paging.page(
            self._records.store,
            Pool,
            context.account,
            context.region,
            token=request.get("NextToken"),
            limit=request["MaxResults"],
        )
        return paging.with_token({"UserPools": [_brief(pool) for pool in pools]}, "NextToken", token)

    @operation("UpdateUserPool")
    async def update_user_pool(self, context: CallContext, request: t.UpdateUserPoolRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        pool_rules.check_request(request)

        def update(current: Pool) -> None:
            tier_before = current.settings["UserPoolTier"]
            current.settings = defaults.updated_pool_settings(current.settings, request)
            current.name = request.get("PoolName", current.name)
            pool_rules.check(current.settings, current.region, tier_before)
            self._check_tags(current.settings.get("UserPoolTags", {}))
            current.mfa = mfa_config.after_update(current.mfa, current.settings)
            mfa_config.check(current)

        await change_pool(self._records, pool, update)
        return {}

    @operation("DeleteUserPool")
    async def delete_user_pool(self, context: CallContext, request: t.DeleteUserPoolRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        if pool.settings.get("DeletionProtection") == "ACTIVE":
            raise errors.InvalidParameterException(
                "The user pool cannot be deleted because deletion protection is activated. Deletion protection must be"
                " inactivated first."
            )
        if await self._records.domain_of(pool.id):
            raise errors.InvalidParameterException(
                "User pool cannot be deleted. It has a domain configured that should be deleted first."
            )
        await self._records.store.write_long(lambda tx: self._records.delete_pool(tx, pool))
        return {}

    @operation("AddCustomAttributes")
    async def add_custom_attributes(
        self, context: CallContext, request: t.AddCustomAttributesRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])

        def add(current: Pool) -> None:
            current.schema = schema.add_custom(current.schema, request["CustomAttributes"])
            schema.check_size(current.schema, self._records.quotas.custom_attributes)

        await change_pool(self._records, pool, add)
        return {}

    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: t.TagResourceRequestTypeDef) -> dict[str, Any]:
        pool = await self._by_arn(context, request["ResourceArn"])
        if any(name.lower().startswith("aws:") for name in request["Tags"]):
            raise errors.InvalidParameterException(pool_rules.RESERVED_TAG)

        def tag(current: Pool) -> None:
            tags = {**current.settings.get("UserPoolTags", {}), **request["Tags"]}
            self._check_tags(tags)
            current.settings = {**current.settings, "UserPoolTags": tags}

        await change_pool(self._records, pool, tag)
        return {}

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: t.UntagResourceRequestTypeDef) -> dict[str, Any]:
        pool = await self._by_arn(context, request["ResourceArn"])

        def untag(current: Pool) -> None:
            tags = current.settings.get("UserPoolTags", {})
            kept = {name: value for name, value in tags.items() if name not in request["TagKeys"]}
            current.settings = {**current.settings, "UserPoolTags": kept}

        await change_pool(self._records, pool, untag)
        return {}

    @operation("ListTagsForResource")
    async def list_tags_for_resource(
        self, context: CallContext, request: t.ListTagsForResourceRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._by_arn(context, request["ResourceArn"])
        return {"Tags": pool.settings.get("UserPoolTags", {})}

    @operation("GetSigningCertificate")
    async def get_signing_certificate(
        self, context: CallContext, request: t.GetSigningCertificateRequestTypeDef
    ) -> dict[str, Any]:
        from forecourt.services.cognito.pools.certificate import self_signed

        pool = await self._records.pool(context, request["UserPoolId"])
        key = (await self._records.keys(pool.id))[-1]
        return {"Certificate": self_signed(key.private, pool.id, pool.created_at)}

    async def rotate_key(self, pool_id: str) -> str:
        """A new signing key, and its id. The old ones stay for as long as a token that they signed may live."""
        if await self._records.find_pool(pool_id) is None:
            raise errors.pool_not_found(pool_id)
        key = self._records.new_key(pool_id, await self._hashing.run(tokens.generate_key))
        await self._records.store.write(lambda tx: tx.insert(key))
        return key.kid

    def _check_tags(self, tags: Mapping[str, str]) -> None:
        most = self._records.quotas.tags
        if len(tags) > most:
            raise errors.InvalidParameterException(f"A resource can have up to {most} tags.")

    async def _by_arn(self, context: CallContext, text: str) -> Pool:
        try:
            return await self._records.pool(context, Arn.parse(text).resource.removeprefix("userpool/"))
        except ValueError:
            raise errors.InvalidParameterException("Invalid resource ARN.") from None


async def change_pool(records: Records, pool: Pool, change: Any) -> Pool:
    """Changes the pool as stored now, in place."""

    def apply(tx: Tx) -> Pool:
        current = tx.get(Pool, *position(pool))
        if current is None:
            raise errors.pool_not_found(pool.id)
        change(current)
        current.modified_at = records.clock.now()
        tx.put(current)
        return current

    return await records.store.write(apply)


def _brief(pool: Pool) -> dict[str, Any]:
    return {
        "Id": pool.id,
        "Name": pool.name,
        "LambdaConfig": pool.triggers,
        "CreationDate": pool.created_at,
        "LastModifiedDate": pool.modified_at,
    }
