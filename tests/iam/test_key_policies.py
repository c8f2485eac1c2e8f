"""KMS keys open by their key policy and grants alone, and a ciphertext tells which key it needs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, user

from forecourt.testing import Forecourt

ACCOUNT = {"AWS": f"arn:aws:iam::{HOME}:root"}


def key(forecourt: Forecourt, document: str | None = None, **more: Any) -> str:
    params = {"Policy": document} if document else {}
    arn: str = forecourt.client("kms", **ROOT).create_key(**params, **more)["KeyMetadata"]["Arn"]
    return arn


def principal(name: str) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{HOME}:user/{name}"}


def test_the_account_decides_where_the_key_policy_lets_it(enforced: Forecourt) -> None:
    arn = key(enforced)
    kay, kit = user(enforced, "kay", policy(allow("kms:Encrypt", arn))), user(enforced, "kit")
    enforced.client("kms", **kay).encrypt(KeyId=arn, Plaintext=b"x")
    message = refusal(enforced.client("kms", **kit).encrypt, KeyId=arn, Plaintext=b"x")[2]
    assert message.endswith("because no identity-based policy allows the kms:Encrypt action")


def test_an_administrator_has_no_key_that_names_others_only(enforced: Forecourt) -> None:
    owner = {"Effect": "Allow", "Principal": ACCOUNT, "Action": ["kms:Put*", "kms:Get*", "kms:Des*"], "Resource": "*"}
    master = user(enforced, "keymaster")
    arn = key(enforced, policy(owner, allow("kms:*", "*", Principal=principal("keymaster"))))
    admin = user(enforced, "key-admin", policy(allow("*")))
    message = refusal(enforced.client("kms", **admin).encrypt, KeyId=arn, Plaintext=b"x")[2]
    assert message.endswith("because no resource-based policy allows the kms:Encrypt action")
    assert refusal(enforced.client("kms", **ROOT).encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"
    enforced.client("kms", **master).encrypt(KeyId=arn, Plaintext=b"x")


def test_a_ciphertext_needs_its_own_key(enforced: Forecourt) -> None:
    theirs, mine = key(enforced), key(enforced)
    kim = user(enforced, "kim-kms", policy(allow("kms:*", mine)))
    root, own = enforced.client("kms", **ROOT), enforced.client("kms", **kim)
    secret = root.encrypt(KeyId=theirs, Plaintext=b"secret")["CiphertextBlob"]
    for params in ({}, {"KeyId": mine}):
        assert refusal(own.decrypt, CiphertextBlob=secret, **params)[0] == "AccessDeniedException"
    assert refusal(own.re_encrypt, CiphertextBlob=secret, DestinationKeyId=mine)[2].startswith(
        f"User: arn:aws:iam::{HOME}:user/kim-kms is not authorized to perform: kms:ReEncryptFrom on resource: {theirs}"
    )
    good = own.encrypt(KeyId=mine, Plaintext=b"my own")["CiphertextBlob"]
    assert own.decrypt(CiphertextBlob=good)["Plaintext"] == b"my own"
    assert own.decrypt(CiphertextBlob=good, KeyId=mine)["Plaintext"] == b"my own"
    assert "kms:ReEncryptTo" in refusal(own.re_encrypt, CiphertextBlob=good, DestinationKeyId=theirs)[2]
    assert refusal(own.decrypt, CiphertextBlob=b"no key's")[0] == "AccessDeniedException"


def test_a_deny_on_a_key_holds_whatever_the_call_names(enforced: Forecourt) -> None:
    arn = key(enforced)
    root = enforced.client("kms", **ROOT)
    root.create_alias(AliasName="alias/denied", TargetKeyId=arn)
    secret = root.encrypt(KeyId=arn, Plaintext=b"secret")["CiphertextBlob"]
    ken = user(enforced, "ken", policy(allow("kms:*"), {**allow("kms:Decrypt", arn), "Effect": "Deny"}))
    for params in ({}, {"KeyId": arn}, {"KeyId": arn.rpartition("/")[2]}, {"KeyId": "alias/denied"}):
        message = refusal(enforced.client("kms", **ken).decrypt, CiphertextBlob=secret, **params)[2]
        assert message.endswith("with an explicit deny in an identity-based policy")


def test_a_grant_opens_what_it_names(enforced: Forecourt) -> None:
    arn = key(enforced)
    gil = user(enforced, "gil")
    root, own = enforced.client("kms", **ROOT), enforced.client("kms", **gil)
    grant = root.create_grant(
        KeyId=arn,
        GranteePrincipal=principal("gil")["AWS"],
        Operations=["Encrypt"],
        Constraints={"EncryptionContextSubset": {"for": "gil"}},
    )["GrantId"]
    own.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"for": "gil", "and": "more"})
    assert refusal(own.encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"
    assert refusal(own.describe_key, KeyId=arn)[0] == "AccessDeniedException"
    root.revoke_grant(KeyId=arn, GrantId=grant)
    refused = refusal(own.encrypt, KeyId=arn, Plaintext=b"x", EncryptionContext={"for": "gil"})
    assert refused[0] == "AccessDeniedException"


@pytest.mark.parametrize("document", ["{", "{}", policy(allow("kms:*"))], ids=["no JSON", "empty", "nobody named"])
def test_a_key_policy_that_cannot_be_read_is_refused(enforced: Forecourt, document: str) -> None:
    root = enforced.client("kms", **ROOT)
    assert refusal(root.create_key, Policy=document)[:2] == ("MalformedPolicyDocumentException", 400)


def test_nobody_locks_themselves_out(enforced: Forecourt) -> None:
    root, arn = enforced.client("kms", **ROOT), key(enforced)
    document = policy(allow("kms:*", "*", Principal=principal("kim-kms-elsewhere")))
    assert refusal(root.put_key_policy, KeyId=arn, PolicyName="default", Policy=document) == (
        "MalformedPolicyDocumentException",
        400,
        "The new key policy will not allow you to update the key policy in the future.",
    )
