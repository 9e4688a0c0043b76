"""Who is connected to what: workspaces, accounts and their collections."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import ExpressionWrapper, F, Q, Value

from integrations.collection_list import WRITING_ROLES
from sync.core.events import FIELDS
from sync.core.records import Direction, Kind, Service, Side, Strategy
from sync.core.text import clean


class LeaseLost(Exception):
    """Another run took the collection over; whatever this one still wanted to write is void."""


class Workspace(models.Model):
    """A team (a band, a family, a firm) that shares accounts; nobody sees another one's rows."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="workspaces"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return clean(self.name)


class Membership(models.Model):
    """One person's place in one workspace."""

    class Role(models.TextChoices):
        OWNER = "owner"
        MANAGER = "manager"
        MEMBER = "member"
        VIEWER = "viewer"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "user"], name="one_membership_per_person_and_workspace"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace} as {self.role}"


class AccountQuerySet(models.QuerySet["Account"]):
    """Changes that concern many accounts."""

    def pause(self) -> int:
        """Let active accounts rest; returns how many. What is under way ends its run."""
        return self.filter(state=Account.State.ACTIVE).update(
            state=Account.State.PAUSED, state_reason="paused by a person"
        )

    def resume(self) -> int:
        """Let paused accounts sync again; returns how many. A dead grant stays dead."""
        return self.filter(state=Account.State.PAUSED).update(
            state=Account.State.ACTIVE, state_reason=""
        )


class Account(models.Model):
    """One signed-in identity at one service, with its sealed credentials."""

    class State(models.TextChoices):
        ACTIVE = "active"
        NEEDS_RECONNECT = "needs_reconnect", "needs reconnect"
        PAUSED = "paused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="accounts")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="accounts",
    )
    service = models.CharField(max_length=20, choices=[(s.value, s.value) for s in Service])
    # The service's own, unchanging name of the person (Google: `sub`).
    identity = models.CharField(max_length=255)
    email = models.CharField(max_length=320, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    # Sealed by integrations.vault; bound to this row, so it opens nowhere else.
    credentials = models.TextField(blank=True, editable=False)
    state = models.CharField(max_length=20, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=300, blank=True)
    sync_interval_minutes = models.PositiveIntegerField(
        default=5,
        validators=[MinValueValidator(1)],
        help_text="How often its calendars are looked at while nobody asks for more.",
    )
    # Where the list of collections stands, and when it was last read completely.
    list_cursor = models.TextField(blank=True, editable=False)
    listed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "service", "identity"],
                name="one_account_per_identity_service_and_workspace",
            )
        ]

    def __str__(self) -> str:
        return clean(f"{self.email or self.identity} ({self.service})")


class Circle(models.Model):
    """Calendars that hold the same events: what comes to one of them comes to all."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="circles")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], name="one_circle_per_name_and_workspace"
            )
        ]

    def __str__(self) -> str:
        return clean(self.name)


class CollectionQuerySet(models.QuerySet["Collection"]):
    """Questions about many collections."""

    def alike(self, collection: "Collection") -> "CollectionQuerySet":
        """The collections that hold the same records as this one, which is always among them."""
        if collection.circle_id is None:
            return self.filter(pk=collection.pk)
        return self.filter(circle=collection.circle_id)

    def receiving(self) -> "CollectionQuerySet":
        """The collections that may be written to, as far as their settings say."""
        return self.exclude(direction=Direction.PULL)

    def syncing(self) -> "CollectionQuerySet":
        """The collections that take part: selected, and their account is active."""
        return self.filter(selected=True, gone_at=None, account__state=Account.State.ACTIVE)

    def due(self, now: datetime) -> "CollectionQuerySet":
        """Those that take part and that no run has looked at for their interval, or since poked."""
        interval = F("account__sync_interval_minutes") * Value(timedelta(minutes=1))
        next_at = ExpressionWrapper(F("tried_at") + interval, output_field=models.DateTimeField())
        waited = Q(tried_at=None) | Q(next_at__lte=now) | Q(poked_at__gt=F("tried_at"))
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        return self.syncing().annotate(next_at=next_at).filter(waited, free)

    def in_order(self) -> "CollectionQuerySet":
        """A stable order, so that a plan and its run look at collections alike."""
        return self.order_by("account__email", "account_id", "name", "id")

    def list_anew(self, *, now: datetime) -> int:
        """Forget the cursors, so that the next run lists everything; returns how many.

        Leaves out those that a run is at: it would write its cursor over that.
        """
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        return self.filter(free).update(cursor="", cursor_shape="")


class Collection(models.Model):
    """One remote container of one account: a calendar, an address book, a task list.

    The lease makes one run per collection: whoever raised `lease_fence` last may commit, as long as
    nobody raised it again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="collections")
    kind = models.CharField(
        max_length=20, choices=[(k.value, k.value) for k in Kind], default=Kind.EVENT
    )
    remote_id = models.CharField(max_length=1024, editable=False)
    name = models.CharField(max_length=500)
    selected = models.BooleanField(default=False, help_text="Takes part in syncing.")
    access_role = models.CharField(max_length=40, blank=True, editable=False)
    # Only parting makes copies events of their own; a circle that still has members stays.
    circle = models.ForeignKey(
        Circle, on_delete=models.RESTRICT, null=True, blank=True, related_name="collections"
    )
    gone_at = models.DateTimeField(null=True, blank=True, editable=False)

    direction = models.CharField(
        max_length=10,
        choices=[(d.value, d.value.replace("_", "-")) for d in Direction],
        default=Direction.TWO_WAY,
    )
    strategy = models.CharField(
        max_length=20,
        choices=[(s.value, s.value.replace("_", " ")) for s in Strategy],
        default=Strategy.MERGE_CHANGES,
        help_text="What happens when both sides changed the same field.",
    )
    fallback = models.CharField(
        max_length=20,
        choices=[(s.value, s.value.replace("_", " ")) for s in Strategy],
        default=Strategy.MANUAL_REVIEW,
        help_text="What happens to a clash that the strategy leaves over.",
    )
    owners = models.JSONField(
        default=dict, blank=True, help_text='Field by field, who wins: {"title": "remote"}.'
    )
    equal_within_seconds = models.PositiveIntegerField(
        default=5, help_text="Changes closer together than this count as made at the same time."
    )
    past_days = models.PositiveIntegerField(
        default=90, help_text="How far back a complete listing reaches."
    )

    cursor = models.TextField(blank=True, editable=False)
    cursor_shape = models.CharField(max_length=500, blank=True, editable=False)
    # When a run last began, when one last ended well, and when something last asked for a run.
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    poked_at = models.DateTimeField(null=True, blank=True, editable=False)
    listed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When a run last came to the end of what there was to see.
    caught_up_at = models.DateTimeField(null=True, blank=True, editable=False)

    max_deletions = models.PositiveIntegerField(
        default=50, help_text="More deletions than this in one run wait for a person."
    )
    max_deleted_share = models.FloatField(
        default=0.10, help_text="So do more than this share of the mapped items (but at least 5)."
    )
    max_deleted_share_per_day = models.FloatField(
        default=0.20, help_text="And more than this share within 24 hours."
    )
    # Set when something about the collection changed that makes absence untrustworthy.
    deletions_held_because = models.CharField(max_length=200, blank=True, editable=False)

    lease_holder = models.CharField(max_length=200, blank=True, editable=False)
    lease_fence = models.BigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "remote_id"], name="one_collection_per_remote_container"
            ),
            models.CheckConstraint(
                condition=Q(max_deleted_share__gte=0, max_deleted_share__lte=1),
                name="deleted_share_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(max_deleted_share_per_day__gte=0, max_deleted_share_per_day__lte=1),
                name="deleted_share_per_day_is_a_share",
            ),
        ]

    def __str__(self) -> str:
        return clean(f"{self.name} of {self.account}")

    def clean(self) -> None:
        """Refuse settings that no run could follow; the errors say what is possible."""
        errors = {"owners": list(self._owner_problems())}
        if self.direction != Direction.PULL and self.access_role not in ("", *WRITING_ROLES):
            errors["direction"] = [
                f"Only pull is possible: it is shared with us as {self.access_role}, which may "
                "not write."
            ]
        for name in ("max_deleted_share", "max_deleted_share_per_day"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                errors[name] = ["A share lies between 0 and 1; 0.1 means 10 %."]
        if problems := {name: found for name, found in errors.items() if found}:
            raise ValidationError(problems)

    def _owner_problems(self) -> Iterator[str]:
        sides = [side.value for side in Side]
        if not isinstance(self.owners, dict):
            yield 'It takes {"field": "side"}, for instance {"title": "remote"}; {} for none.'
            return
        for name, side in self.owners.items():
            if name not in FIELDS:
                yield f"There is no field {name!r}; there are: {', '.join(sorted(FIELDS))}."
            if side not in sides:
                yield f"The owner of {name!r} is either {' or '.join(sides)}."
        if len({str(self.owners[name]) for name in ("start", "end") if name in self.owners}) > 1:
            yield "start and end make sense only together: give both to one side."

    def take_lease(self, *, holder: str, now: datetime, seconds: int) -> bool:
        """Take the lease if it is free; True if it is ours now, with a new fencing number."""
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        taken = Collection.objects.filter(free, pk=self.pk).update(
            lease_holder=holder,
            lease_fence=F("lease_fence") + 1,
            lease_until=now + timedelta(seconds=seconds),
            tried_at=now,
        )
        if taken:
            self.refresh_from_db(
                from_queryset=Collection.objects.select_related("account__workspace")
            )
        return bool(taken)

    def prove_lease(self, *, now: datetime, seconds: int) -> None:
        """Prolong the lease inside the transaction that needs it; `LeaseLost` if it is gone."""
        until = now + timedelta(seconds=seconds)
        mine = Collection.objects.filter(pk=self.pk, lease_fence=self.lease_fence)
        if not mine.update(lease_until=until):
            raise LeaseLost(f"collection {self.pk}, fence {self.lease_fence}")

    def return_lease(self) -> None:
        """Give the lease back, if it is still ours."""
        mine = Collection.objects.filter(pk=self.pk, lease_fence=self.lease_fence)
        mine.update(lease_holder="", lease_until=None)

    @staticmethod
    def poke(ids: Iterable[uuid.UUID], *, now: datetime) -> None:
        """Ask for a run of these collections soon; asking twice is asking once."""
        Collection.objects.filter(pk__in=list(ids)).update(poked_at=now)

    def save_fields(self, names: Iterable[str]) -> None:
        """Save only these fields; a run must not write back settings a person changed meanwhile."""
        self.save(update_fields=list(names))
