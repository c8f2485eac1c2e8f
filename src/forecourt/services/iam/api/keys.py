"""Access keys. The secret is shown once, and sealed: a signature can be checked only with its value."""

from __future__ import annotations

from forecourt.auth.sessions import LONG_TERM
from forecourt.base.call import CallContext, operation
from forecourt.services.iam import views
from forecourt.services.iam.api.kit import IamApi, Request, Result
from forecourt.services.iam.api.users import own_name
from forecourt.services.iam.errors import InvalidInputException, LimitExceededException, NoSuchEntityException
from forecourt.services.iam.model import AccessKey, User
from forecourt.services.iam.store import missing, page
from forecourt.store import Tx

_MAX_KEYS = 2


def purpose(access_key_id: str) -> str:
    return f"iam.AccessKey/{access_key_id}"


class AccessKeysApi(IamApi):
    @operation("CreateAccessKey")
    async def create_access_key(self, context: CallContext, request: Request) -> Result:
        owner = await self._owner(context, request)
        id = self.kit.sessions.key_ids.make(LONG_TERM, context.account, self.kit.ids)
        secret = self.kit.ids.alnum(40)
        key = AccessKey(
            id=id,
            account=context.account,
            user=owner,
            sealed_secret=self.kit.sealer.seal(secret.encode(), purpose(id)),
            created_at=self.kit.clock.now(),
        )

        def change(tx: Tx) -> None:
            if owner and tx.get(User, context.account, owner.lower()) is None:
                raise missing(User, owner)
            if len(tx.find(AccessKey, "by_user", context.account, owner)) >= _MAX_KEYS:
                raise LimitExceededException(f"Cannot exceed quota for AccessKeysPerUser: {_MAX_KEYS}")
            tx.insert(key)

        await self.store.write(change)
        return {"AccessKey": views.access_key(key) | {"SecretAccessKey": secret}}

    @operation("ListAccessKeys")
    async def list_access_keys(self, context: CallContext, request: Request) -> Result:
        owner = await self._owner(context, request)
        found = await self.store.find(AccessKey, "by_user", context.account, owner)
        keys, more = page(found, request, lambda key: key.id)
        return {"AccessKeyMetadata": [views.access_key(key) for key in keys], **more}

    @operation("UpdateAccessKey")
    async def update_access_key(self, context: CallContext, request: Request) -> Result:
        owner = await self._owner(context, request)
        if request["Status"] == "Expired":
            raise InvalidInputException("The status of an access key is Active or Inactive.")

        def change(tx: Tx) -> None:
            key = _key(tx, context.account, owner, request["AccessKeyId"])
            key.status = request["Status"]
            tx.put(key)

        await self.store.write(change)
        return {}

    @operation("DeleteAccessKey")
    async def delete_access_key(self, context: CallContext, request: Request) -> Result:
        owner = await self._owner(context, request)

        def change(tx: Tx) -> None:
            tx.delete(AccessKey, _key(tx, context.account, owner, request["AccessKeyId"]).id)

        await self.store.write(change)
        return {}

    @operation("GetAccessKeyLastUsed")
    async def get_access_key_last_used(self, context: CallContext, request: Request) -> Result:
        await self.kit.uses.write()
        key = await self.store.get(AccessKey, request["AccessKeyId"])
        if key is None or key.account != context.account:
            raise NoSuchEntityException(f"The Access Key with id {request['AccessKeyId']} cannot be found.")
        used: Result = {"ServiceName": key.last_used_service, "Region": key.last_used_region}
        if key.last_used_at is not None:
            used["LastUsedDate"] = key.last_used_at
        return {"UserName": key.user, "AccessKeyLastUsed": used}

    async def _owner(self, context: CallContext, request: Request) -> str:
        """The user's name, or nothing for the root: without one the caller's own keys are meant. A session has none."""
        name = request.get("UserName")
        if name is None:
            return "" if context.principal.kind == "root" else own_name(context, None)
        return (await self.directory.get(User, context.account, name)).name


def _key(tx: Tx, account: str, owner: str, id: str) -> AccessKey:
    key = tx.get(AccessKey, id)
    if key is None or (key.account, key.user) != (account, owner):
        raise NoSuchEntityException(f"The Access Key with id {id} cannot be found.")
    return key
