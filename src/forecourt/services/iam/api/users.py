"""Users and their console passwords."""

from __future__ import annotations

import asyncio
import re

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from forecourt.base.call import CallContext, operation
from forecourt.services.iam import views
from forecourt.services.iam.api.kit import (
    IamApi,
    Request,
    Result,
    check_attachable,
    check_detached,
    insert,
    new_tags,
    remove,
)
from forecourt.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidUserTypeException,
    NoSuchEntityException,
    PasswordPolicyViolationException,
    ValidationError,
)
from forecourt.services.iam.model import AccessKey, LoginProfile, PasswordPolicy, User
from forecourt.services.iam.store import missing, name_of, page
from forecourt.store import Tx

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class UsersApi(IamApi):
    @operation("CreateUser")
    async def create_user(self, context: CallContext, request: Request) -> Result:
        boundary = request.get("PermissionsBoundary")
        if boundary:
            await check_attachable(self.directory, context.account, boundary)
        name = request["UserName"]
        user = User(
            account=context.account,
            key=name.lower(),
            name=name,
            path=request.get("Path") or "/",
            id=self.kit.unique_id(User.prefix),
            created_at=self.kit.clock.now(),
            tags=new_tags(request),
            boundary=boundary,
        )
        await self.store.write(lambda tx: insert(tx, user, f"User with name {name}"))
        return {"User": views.whole_user(user)}

    @operation("GetUser")
    async def get_user(self, context: CallContext, request: Request) -> Result:
        name = request.get("UserName")
        if name is None and context.principal.kind == "root":
            return {
                "User": {
                    "Path": "/",
                    "UserName": "root",
                    "UserId": context.account,
                    "Arn": context.principal.arn,
                    "CreateDate": 0,
                }
            }
        return {"User": views.whole_user(await self.directory.get(User, context.account, own_name(context, name)))}

    @operation("ListUsers")
    async def list_users(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.under_path(User, context.account, request.get("PathPrefix"))
        users, more = page(found, request, name_of)
        return {"Users": [views.user(user) for user in users], **more}

    @operation("UpdateUser")
    async def update_user(self, context: CallContext, request: Request) -> Result:
        old, new = request["UserName"], request.get("NewUserName")

        def change(tx: Tx) -> None:
            user = tx.get(User, context.account, old.lower())
            if user is None:
                raise missing(User, old)
            path, name = request.get("NewPath") or user.path, new or user.name
            if (path, name) == (user.path, user.name):
                return
            remove(tx, user)
            for key in tx.find(AccessKey, "by_user", context.account, user.name):
                key.user = name
                tx.put(key)
            user.path, user.name, user.key = path, name, name.lower()
            insert(tx, user, f"User with name {name}")
            if user.since:
                user.since = self.kit.clock.now()
                tx.put(user)

        await self.store.write(change)
        return {}

    @operation("DeleteUser")
    async def delete_user(self, context: CallContext, request: Request) -> Result:
        name = request["UserName"]

        def change(tx: Tx) -> None:
            user = tx.get(User, context.account, name.lower())
            if user is None:
                raise missing(User, name)
            self._check_unused(user, tx)
            remove(tx, user)

        await self.store.write(change)
        return {}

    def _check_unused(self, user: User, tx: Tx) -> None:
        check_detached(user)
        rules = (
            (user.groups, "must remove users from group first"),
            (tx.find(AccessKey, "by_user", user.account, user.name, limit=1), "must delete access keys first"),
            (user.login, "must delete login profile first"),
            (user.mfa, "must delete MFA device first"),
            (user.ssh_keys, "must delete ssh public keys first"),
            (user.signing_certificates, "must delete signing certificates first"),
            (user.service_credentials, "must delete service specific credentials first"),
        )
        for held, words in rules:
            if held:
                raise DeleteConflictException(f"Cannot delete entity, {words}.")

    # --- Console passwords ---

    @operation("CreateLoginProfile")
    async def create_login_profile(self, context: CallContext, request: Request) -> Result:
        password = request.get("Password") or ""
        await self._check_password(context, password)
        hashed = await asyncio.to_thread(_HASHER.hash, password)
        now = self.kit.clock.now()

        def change(user: User, _: Tx) -> User:
            if user.login is not None:
                raise EntityAlreadyExistsException(f"Login Profile for user {user.name} already exists.")
            user.login = LoginProfile(hashed, now, request.get("PasswordResetRequired") or False)
            return user

        user = await self.directory.change(User, context.account, own_name(context, request.get("UserName")), change)
        return {"LoginProfile": _login(user)}

    @operation("GetLoginProfile")
    async def get_login_profile(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, own_name(context, request.get("UserName")))
        return {"LoginProfile": _login(user)}

    @operation("UpdateLoginProfile")
    async def update_login_profile(self, context: CallContext, request: Request) -> Result:
        password, hashed = request.get("Password"), None
        if password is not None:
            await self._check_password(context, password)
            await self._check_reuse(context, request["UserName"], password)
            hashed = await asyncio.to_thread(_HASHER.hash, password)

        def change(user: User, _: Tx) -> None:
            login = _login_of(user)
            if hashed is not None:
                login.history = [login.password_hash, *login.history][:24]
                login.password_hash = hashed
            login.reset_required = request.get("PasswordResetRequired", login.reset_required)

        await self.directory.change(User, context.account, request["UserName"], change)
        return {}

    @operation("DeleteLoginProfile")
    async def delete_login_profile(self, context: CallContext, request: Request) -> Result:
        def change(user: User, _: Tx) -> None:
            _login_of(user)
            user.login = None

        await self.directory.change(User, context.account, own_name(context, request.get("UserName")), change)
        return {}

    @operation("ChangePassword")
    async def change_password(self, context: CallContext, request: Request) -> Result:
        if context.principal.kind != "user":
            raise InvalidUserTypeException("Only IAM Users can change their own password")
        name = context.principal.name
        held = _login_of(await self.directory.get(User, context.account, name)).password_hash
        if not await asyncio.to_thread(_matches, held, request["OldPassword"]):
            raise InvalidUserTypeException("The old password was incorrect.")
        await self._check_password(context, request["NewPassword"])
        await self._check_reuse(context, name, request["NewPassword"])
        hashed = await asyncio.to_thread(_HASHER.hash, request["NewPassword"])

        def change(user: User, _: Tx) -> None:
            login = _login_of(user)
            if login.password_hash != held:
                raise InvalidUserTypeException("The old password was incorrect.")
            login.history = [login.password_hash, *login.history][:24]
            login.password_hash, login.reset_required = hashed, False

        await self.directory.change(User, context.account, name, change)
        return {}

    async def _check_reuse(self, context: CallContext, name: str, password: str) -> None:
        """Raises `PasswordPolicyViolation` for one of the last passwords, the one that counts among them."""
        policy = (await self.directory.account(context.account)).password_policy
        if policy is None or not policy.PasswordReusePrevention:
            return
        login = _login_of(await self.directory.get(User, context.account, name))
        for former in [login.password_hash, *login.history][: policy.PasswordReusePrevention]:
            if await asyncio.to_thread(_matches, former, password):
                raise PasswordPolicyViolationException("Password does not conform to the account password policy.")

    async def _check_password(self, context: CallContext, password: str) -> None:
        policy = (await self.directory.account(context.account)).password_policy or PasswordPolicy(8)
        rules = (
            (
                len(password) >= policy.MinimumPasswordLength,
                f"Password should have a minimum length of {policy.MinimumPasswordLength}",
            ),
            (
                not policy.RequireUppercaseCharacters or re.search("[A-Z]", password),
                "Password should have at least one uppercase letter",
            ),
            (
                not policy.RequireLowercaseCharacters or re.search("[a-z]", password),
                "Password should have at least one lowercase letter",
            ),
            (not policy.RequireNumbers or re.search("[0-9]", password), "Password should have at least one number"),
            (
                not policy.RequireSymbols or re.search(r"[!@#$%^&*()_+\-=\[\]{}|']", password),
                "Password should have at least one symbol",
            ),
        )
        for kept, words in rules:
            if not kept:
                raise PasswordPolicyViolationException(words)


def own_name(context: CallContext, name: str | None) -> str:
    """The user that an operation means where none is named: the caller."""
    if name is not None:
        return name
    if context.principal.kind != "user":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return context.principal.name


def _matches(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except Argon2Error:
        return False


def _login_of(user: User) -> LoginProfile:
    if user.login is None:
        raise NoSuchEntityException(f"Login Profile for User {user.name} cannot be found.")
    return user.login


def _login(user: User) -> Result:
    login = _login_of(user)
    return {"UserName": user.name, "CreateDate": login.created_at, "PasswordResetRequired": login.reset_required}
