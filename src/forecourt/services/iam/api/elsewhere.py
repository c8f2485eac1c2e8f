"""Credentials for services that are not here: CodeCommit's SSH keys and passwords, and signing certificates.

None can be made, so a user has none. Who removes a user asks for them first (Terraform's `force_destroy` does).
"""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.kit import IamApi, Request, Result
from forecourt.services.iam.model import User


class ElsewhereApi(IamApi):
    @operation("ListSSHPublicKeys")
    async def list_ssh_public_keys(self, context: CallContext, request: Request) -> Result:
        await self._check_user(context, request)
        return {"SSHPublicKeys": [], "IsTruncated": False}

    @operation("ListSigningCertificates")
    async def list_signing_certificates(self, context: CallContext, request: Request) -> Result:
        await self._check_user(context, request)
        return {"Certificates": [], "IsTruncated": False}

    @operation("ListServiceSpecificCredentials")
    async def list_service_specific_credentials(self, context: CallContext, request: Request) -> Result:
        await self._check_user(context, request)
        return {"ServiceSpecificCredentials": []}

    async def _check_user(self, context: CallContext, request: Request) -> None:
        if "UserName" in request:
            await self.directory.get(User, context.account, request["UserName"])
