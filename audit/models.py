"""The tables of the log: events that nobody can change, their details that can be erased, and the tree that seals them.

The first two are written only by `audit.log`, those of the tree only by `audit.sealing`; the database refuses the rest.
"""

from django.db import models
from django.db.models import functions
from django.db.models.lookups import Exact

from audit import actions, leaf, merkle, tlog

TILE_BYTES = tlog.TILE_WIDTH * merkle.HASH_BYTES


class Event(models.Model):
    """One thing that happened: who did what to which object, when, with what outcome.

    The sealed leaf is exactly the columns `audit.leaf.FIELDS`, encoded by `audit.leaf.encode`. All of them are
    pseudonymous, since a leaf outlives every right to erasure: ids are the service's own, never a name, an address or
    an e-mail; what is personal goes to `EventDetail`.

    Only `xid` and `incarnation` stay outside the leaf. They order the sealing: rows become visible in the order of
    commits, not of ids, so a sealer takes rows with `xid < pg_snapshot_xmin(pg_current_snapshot())` and never one that
    a later commit could precede. In another incarnation (cluster and timeline: after a restore) xids begin anew. The
    place of an event in the tree belongs in a table of its own (tree index -> event id), because a row here is never
    updated; gaps between ids are rolled back transactions, not missing events.
    """

    id = models.BigAutoField(primary_key=True)  # GENERATED ALWAYS: an id cannot be chosen
    at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"), editable=False)
    xid = models.BigIntegerField(
        db_default=functions.Cast(
            functions.Cast(models.Func(function="pg_current_xact_id"), models.TextField()), models.BigIntegerField()
        ),
        editable=False,
    )
    incarnation = models.CharField(max_length=40, db_default=models.Func(function="audit_incarnation"), editable=False)
    action = models.CharField(max_length=actions.LENGTH_MAX)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=200)
    actor_kind = models.CharField(max_length=20)  # user | party | service | link | system | anonymous
    actor_id = models.CharField(max_length=100, blank=True)
    role = models.CharField(max_length=60, blank=True)
    key = models.CharField(max_length=100, blank=True)  # the public id of an API key, never the key
    service = models.CharField(max_length=60, blank=True)
    channel = models.CharField(max_length=20, blank=True)  # see `audit.entries.CHANNELS`
    outcome = models.CharField(max_length=20)  # ok | denied | failed
    code = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=100, blank=True)
    count = models.IntegerField(db_default=1)  # above 1: so many alike denials of one window, or rows erased at once
    facts = models.JSONField(db_default=models.Value({}, models.JSONField()))  # by the names of `leaf.FACTS`
    details_digest = models.BinaryField(max_length=32, null=True)
    blind = models.BinaryField(
        max_length=leaf.BLIND_BYTES, db_default=models.Func(function="audit_blind"), editable=False
    )

    class Meta:
        default_permissions = ("view",)
        indexes = (
            # Exact for the guard's question at commit, and a prefix for the history of one object.
            models.Index(fields=["object_id", "xid"], name="audit_event_object"),
            models.Index(fields=["actor_id", "id"], name="audit_event_actor"),
            models.Index(fields=["xid", "id"], name="audit_event_sealing"),
        )
        constraints = (
            # One instead of three: PostgreSQL prepares each anew for every statement.
            models.CheckConstraint(
                name="audit_event_sound",
                condition=models.Q(action__regex=r"^[a-z_]+[.][a-z_]+$")
                & models.Q(count__gte=1)
                & (models.Q(details_digest__isnull=True) | models.Q(Exact(functions.Length("details_digest"), 32))),
            ),
        )

    def __str__(self) -> str:
        return f"{self.id} {self.action} {self.object_id}"


class EventDetail(models.Model):
    """What is personal about an event: address, agent, names. Erasing a row breaks no proof: the leaf holds its digest.

    `salt` has 16 random bytes; SHA-256(salt || canonical JSON of `details`) is the event's `details_digest` for as long
    as the row exists. The row is inserted with its event, never updated, and deleted after its time alone.
    """

    event = models.OneToOneField(Event, on_delete=models.DO_NOTHING, primary_key=True, related_name="detail")
    salt = models.BinaryField(max_length=leaf.SALT_BYTES)
    details = models.JSONField()

    class Meta:
        default_permissions = ("view",)
        constraints = (
            models.CheckConstraint(
                name="audit_eventdetail_salt_16",
                condition=models.Q(Exact(functions.Length("salt"), leaf.SALT_BYTES)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.event_id}"


class TreePlace(models.Model):
    """Where an event stands in the tree: its index, from 0 without a gap, and the hash of its leaf.

    Not a foreign key: its check would write a lock into each row of the log.
    """

    index = models.BigIntegerField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    leaf_hash = models.BinaryField(max_length=merkle.HASH_BYTES)

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                name="audit_treeplace_sound",
                condition=models.Q(index__gte=0) & models.Q(Exact(functions.Length("leaf_hash"), merkle.HASH_BYTES)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.index}: {self.event_id}"


class TreeTile(models.Model):
    """A full tile of the tree (`audit.tlog`): 256 hashes, and the hash of the subtree that they are.

    What is not full yet is read from the level below.
    """

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField(max_length=TILE_BYTES)
    subtree = models.BinaryField(max_length=merkle.HASH_BYTES)

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                name="audit_treetile_sound",
                condition=models.Q(Exact(functions.Length("hashes"), TILE_BYTES))
                & models.Q(Exact(functions.Length("subtree"), merkle.HASH_BYTES)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class TreeHead(models.Model):
    """What the log was at one size: the root of its tree, and the checkpoint that states it, signed."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=merkle.HASH_BYTES)
    note = models.TextField()
    at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"), editable=False)

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                name="audit_treehead_sound",
                condition=models.Q(size__gte=1) & models.Q(Exact(functions.Length("root"), merkle.HASH_BYTES)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.size}"


class GuardMark(models.Model):
    """What an object of the database was when it was last provisioned; of a guard, which transaction wrote it.

    Written by the owner alone, at the end of `provision`; a guard that is switched off and on again has another mark.
    """

    name = models.CharField(max_length=140, primary_key=True)
    mark = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Provisioning(models.Model):
    """A provisioning that began, ended or failed, signed with `AUDIT_KEY`; written by the owner alone: `audit.rollout`.

    `declared` is the digest of what the version that did it declares of guards and rights, `marks` that of the table
    `GuardMark` at its end.
    """

    at = models.DateTimeField()
    stage = models.CharField(max_length=10)
    declared = models.CharField(max_length=64)
    marks = models.CharField(max_length=64, blank=True)
    signature = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at} {self.stage}"
