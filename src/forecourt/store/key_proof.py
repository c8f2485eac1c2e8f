"""Whether the master key is the one that sealed what the data folder holds. Asked at the start: a folder whose
`master.key` was lost, or that was copied without it, would otherwise be found out secret by secret."""

from __future__ import annotations

from forecourt.store.document import Document
from forecourt.store.errors import StoreUnavailable
from forecourt.store.sealing import SealBroken, Sealer
from forecourt.store.store import Store

_NAME = "master"
_PURPOSE = "store.KeyProof"


class KeyProof(Document):
    """Opens with the right key only."""

    __kind__ = "store.KeyProof"
    __key__ = ("name",)

    name: str
    sealed: bytes


async def check_key(store: Store, sealer: Sealer) -> None:
    """Raises `StoreUnavailable`. A folder that has no proof yet gets one."""
    proof = await store.get(KeyProof, _NAME)
    if proof is None:
        made = KeyProof(name=_NAME, sealed=sealer.seal(b"", _PURPOSE))
        await store.write(lambda tx: tx.put(made))
        return
    try:
        sealer.open(proof.sealed, _PURPOSE)
    except SealBroken:
        raise StoreUnavailable(
            "The master key is not the one that this data folder's secrets were sealed with. Put the folder's own "
            "master.key (or FORECOURT_MASTER_KEY) back, or begin anew in another folder with --data."
        ) from None
