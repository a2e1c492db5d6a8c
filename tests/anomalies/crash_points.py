"""TABLE: the moments at which a process of the line is killed. None of them is known to the product."""

import dataclasses
from typing import Literal, TypeAlias

Work: TypeAlias = Literal["receive", "advance", "deliver"]
When: TypeAlias = Literal["before", "after"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """Die `when` the `nth` call of a function begins or has returned, while doing `work`.

    `own_renderer`: the child process of the renderer is this process's own, because it is left in the middle of a job.
    """

    work: Work
    target: str
    when: When
    nth: int = 1
    own_renderer: bool = False


def _point(work: Work, target: str, when: When, nth: int = 1, **more: bool) -> Point:
    return Point(work=work, target=target, when=when, nth=nth, **more)


TABLE: dict[str, Point] = {
    # -- intake: one transaction, so either all of it happened or nothing --
    "the event is inserted": _point("receive", "audit.log:record", "before"),
    "the event has its audit event": _point("receive", "audit.log:record", "after"),
    "the parties are added": _point("receive", "payouts.issuing.parties:add_missing", "after"),
    "the key is claimed": _point("receive", "documents.emission.document_keys:claim", "after"),
    "the number is about to be taken": _point("receive", "documents.emission.numbering:take", "before"),
    "the number is taken": _point("receive", "documents.emission.numbering:take", "after"),
    "the document is written": _point("receive", "documents.emission.issuing:_write", "after"),
    "the event is processed, not committed": _point("receive", "documents.events.answers:answer", "after"),
    "the event is committed, not answered": _point("receive", "documents.events.intake:receive", "after"),
    # -- locking: each step outside a transaction must be safe to repeat --
    "the document is leased": _point("advance", "documents.emission.custody:lock", "before"),
    "the content goes to the renderer": _point("advance", "documents.rendering.render:render", "before"),
    "the renderer is at work": _point(
        "advance", "documents.rendering.pool:Child._receive", "before", 2, own_renderer=True
    ),
    "the PDF is rendered": _point("advance", "documents.rendering.render:render", "after"),
    "the intent is noted": _point("advance", "documents.emission.custody:_put", "before"),
    "the vault is opened": _point("advance", "documents.vault.store:open_vault", "after"),
    "the bytes are about to be put": _point("advance", "documents.vault.s3_store:S3Vault.put", "before"),
    "the version is there, its lock not looked at": _point("advance", "documents.vault.s3_store:S3Vault.put", "after"),
    "the version is read back": _point("advance", "documents.vault.s3_store:S3Vault.verify", "after"),
    "the document is about to be confirmed": _point("advance", "documents.emission.locking:_confirm", "before"),
    "the state has moved, not committed": _point("advance", "documents.delivery.deliveries:plan", "before"),
    "the delivery is planned, not committed": _point("advance", "documents.delivery.deliveries:plan", "after"),
    "the document is locked": _point("advance", "documents.emission.locking:_confirm", "after"),
    # -- mail: sent again after a crash, under the same Message-ID --
    "the mail is leased": _point("deliver", "documents.delivery.outbox:bundle", "after"),
    "the letter is written": _point("deliver", "documents.delivery.letters:compose", "after"),
    "the mail is about to go out": _point("deliver", "documents.delivery.mailbox:hand_over", "before"),
    "the mail is out, not confirmed": _point("deliver", "documents.delivery.mailbox:EmlFolder._link", "after"),
    "the mail is handed over, not confirmed": _point("deliver", "documents.delivery.mailbox:hand_over", "after"),
    "the mail is confirmed, not committed": _point("deliver", "documents.delivery.outbox:record", "after"),
    "the mail is confirmed": _point("deliver", "documents.delivery.deliveries:confirm", "after"),
}

# Between the put into S3 and the commit that says so.
IN_S3 = (
    "the bytes are about to be put",
    "the version is there, its lock not looked at",
    "the version is read back",
    "the document is about to be confirmed",
    "the delivery is planned, not committed",
)

# The same where the vault is a folder.
IN_FOLDER: dict[str, Point] = {
    "the lock record lies there, the bytes do not": _point(
        "advance", "documents.vault.object_files:link_once", "after", 1
    ),
    "the bytes lie there, unsealed": _point("advance", "documents.vault.object_files:link_once", "after", 2),
    "the lock record is sealed, the bytes are not": _point(
        "advance", "documents.vault.local_store:LocalVault._seal", "after", 1
    ),
    "the bytes are sealed": _point("advance", "documents.vault.local_store:LocalVault._seal", "after", 2),
    "the bytes are put, not verified": _point("advance", "documents.vault.local_store:LocalVault.put", "after"),
    "the bytes are verified": _point("advance", "documents.vault.local_store:LocalVault.verify", "after"),
}
