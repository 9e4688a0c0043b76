"""What ties local items to remote copies, and the journal of every run."""

from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT

from calendars.models import Item, time_ordered_uuid
from integrations.models import Collection


class MappingQuerySet(models.QuerySet["Mapping"]):
    """Questions about many mappings."""

    def named(self, names: Iterable[str]) -> "MappingQuerySet":
        """The mappings of the copies with these names.

        That a name is not empty is said as the index says it: of more than a hundred names,
        PostgreSQL does not find it out, and reads the whole table.
        """
        return self.filter(remote_id__any=list(names)).exclude(remote_id="")

    def parts_of(self, series: Iterable[str]) -> "MappingQuerySet":
        """The mappings of the exceptions of the series with these names (see `named`)."""
        return self.filter(parent__any=list(series)).exclude(parent="")


class Mapping(models.Model):
    """One item's tie to one remote copy, with the two trees that a decision needs beside the item.

    `remote` is what the service last showed, `base` what both sides last agreed on; `remote` is
    null while it equals `base`. A hash of "" says that the copy does not exist in that tree. A row
    whose two hashes are "" is a grave: it stays for a while, so that a late listing does not bring
    the dead copy back, and so that a copy made again is named after its predecessor.

    A row without an item is a copy that has not been taken in yet. One that is `away` ties an item
    to a calendar that is not its home: both trees hold only what may be shared (see
    `sync.core.events.SHARED`). One that is `unclaimed` bears a mark of ours that this database
    does not know: its item may still come back.
    """

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="mappings")
    item = models.ForeignKey(
        Item, on_delete=models.SET_NULL, null=True, blank=True, related_name="mappings"
    )
    # "" until the service has named an occurrence that we change for the first time.
    remote_id = models.CharField(max_length=1024, blank=True)
    predecessor = models.CharField(max_length=1024, blank=True)
    parent = models.CharField(max_length=1024, blank=True)
    slot = models.CharField(max_length=40, blank=True)
    version = models.CharField(max_length=255, blank=True)
    ordinal = models.CharField(max_length=40, blank=True)

    base = models.JSONField(null=True, blank=True)
    base_hash = models.CharField(max_length=32, blank=True)
    remote = models.JSONField(null=True, blank=True)
    remote_hash = models.CharField(max_length=32, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    raw = models.JSONField(null=True, blank=True)
    synced_revision = models.BigIntegerField(default=0)

    away = models.BooleanField(default=False, db_default=False)
    unclaimed = models.BooleanField(default=False, db_default=False)
    # We may see only a part of the copy; what is hidden stays as it is, here and there.
    partial = models.BooleanField(default=False)
    obstacle = models.CharField(max_length=200, blank=True)
    evidence = models.CharField(max_length=200, blank=True)
    # A write of ours to this copy was never answered; see `SyncItem.State.LOST`.
    unanswered = models.BooleanField(default=False)

    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    # The item's revision that was refused: a later one is tried at once.
    tried_revision = models.BigIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    seen_at = models.DateTimeField()

    objects = MappingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "remote_id"],
                condition=~Q(remote_id=""),
                name="one_mapping_per_remote_copy",
            ),
            models.UniqueConstraint(
                fields=["collection", "item"],
                condition=Q(item__isnull=False),
                name="one_mapping_per_item_and_collection",
            ),
        ]
        indexes = [
            models.Index(
                fields=["collection"],
                condition=~Q(remote_hash=F("base_hash")),
                name="mappings_that_moved",
            ),
            models.Index(
                fields=["collection", "parent"],
                condition=~Q(parent=""),
                name="mappings_by_series",
            ),
            models.Index(KT("facts__uid"), name="mappings_by_uid"),
        ]

    def __str__(self) -> str:
        return f"mapping {self.pk}"


class SyncOperation(models.Model):
    """One run over one collection: what it looked at, planned, did, and how it ended."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed", "failed in part or whole"
        HELD = "held", "held by the guard"
        TIMED_OUT = "timed_out", "out of time"
        ABANDONED = "abandoned", "died or was taken over"

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="operations")
    trigger = models.CharField(max_length=40)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    state = models.CharField(max_length=20, choices=State.choices, default=State.RUNNING)
    fence = models.BigIntegerField(default=0)
    complete_listing = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # Changes by "side.action", for instance {"remote.create": 3}.
    counts = models.JSONField(default=dict, blank=True)
    # Seconds by phase, for instance {"fetch": 0.4}.
    timings = models.JSONField(default=dict, blank=True)
    calls = models.PositiveIntegerField(default=0)
    plan_hash = models.CharField(max_length=64, blank=True)
    holds = models.JSONField(default=list, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["collection", "-started_at"], name="latest_operations")]

    def __str__(self) -> str:
        return f"operation {self.pk}"


class SyncItem(models.Model):
    """One change of one run; for a remote write also the intent, committed before the call.

    Its id is the attempt that the remote copy's mark names. It is queue, dead-letter list, audit
    trail, explanation and the material for undo.
    """

    class State(models.TextChoices):
        INTENDED = "intended", "sent or about to be sent"
        DONE = "done"
        FAILED = "failed", "refused; will be tried again"
        LOST = "lost", "never answered, and not found"
        HELD = "held", "waits for a person"
        SKIPPED = "skipped", "not done, on purpose"
        DEAD = "dead", "given up"

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    operation = models.ForeignKey(SyncOperation, on_delete=models.CASCADE, related_name="items")
    mapping = models.ForeignKey(
        Mapping, on_delete=models.SET_NULL, null=True, blank=True, related_name="history"
    )
    item = models.ForeignKey(
        Item, on_delete=models.SET_NULL, null=True, blank=True, related_name="history"
    )
    remote_id = models.CharField(max_length=1024, blank=True)
    side = models.CharField(max_length=10)
    action = models.CharField(max_length=20)
    reason = models.CharField(max_length=60)
    state = models.CharField(max_length=20, choices=State.choices)
    fields = models.JSONField(default=list, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    expected_version = models.CharField(max_length=255, blank=True)
    evidence = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(side="remote", action="delete", state="intended", evidence=""),
                name="no_remote_deletion_without_evidence",
            )
        ]
        indexes = [
            models.Index(
                fields=["mapping"], condition=Q(state="intended"), name="unanswered_intents"
            ),
            models.Index(fields=["mapping"], condition=Q(state="held"), name="held_changes"),
            models.Index(fields=["mapping"], condition=Q(state="lost"), name="lost_writes"),
            models.Index(fields=["operation", "state"], name="changes_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.action} {self.pk}"


class SyncLog(models.Model):
    """One thing worth telling about a run: a code and facts, never a record's text."""

    operation = models.ForeignKey(SyncOperation, on_delete=models.CASCADE, related_name="logs")
    at = models.DateTimeField()
    level = models.CharField(max_length=10)
    code = models.CharField(max_length=60)
    facts = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"{self.level} {self.code}"
