"""What a calendar holds: its own items, and those of the calendars in its circle."""

import uuid

from django.db.models import Exists, OuterRef, Q

from calendars.models import Event, Item
from calendars.models.item import ItemQuerySet
from integrations.models import Collection
from sync.models import Mapping

# How many items are changed with one statement.
BATCH = 1_000

# What travels through a circle: no busy blocks (each rule has one target), and no occurrence whose
# series is not known, since it would be an event of its own elsewhere.
_TRAVELS = Q(busy_rule=None) & (Q(slot="") | Q(series__isnull=False))
TRAVELS = Q(event__busy_rule=None) & (Q(event__slot="") | Q(event__series__isnull=False))


def mates_of(collection: Collection) -> list[uuid.UUID]:
    """Return the calendars that hold the same events as this one, itself among them."""
    return list(Collection.objects.alike(collection).order_by("pk").values_list("pk", flat=True))


def wanted_in(collection: Collection) -> ItemQuerySet:
    """Return the living items that a calendar should hold, if it may be written to."""
    own = Q(home=collection)
    if collection.circle_id is None:
        return Item.objects.alive().filter(own)
    return Item.objects.alive().filter(own | (Q(home__in=mates_of(collection)) & TRAVELS))


def lacking() -> Q:
    """Say of items that some calendar of their home's circle should hold them and does not.

    Joins nothing to the items, so that an UPDATE that had to wait for a row looks at it anew.
    """
    copies = Mapping.objects.filter(collection=OuterRef("pk"), item=OuterRef(OuterRef("pk")))
    mates = Collection.objects.receiving().filter(circle__collections=OuterRef("home_id"))
    travels = Event.objects.filter(_TRAVELS, pk=OuterRef("pk"))
    return Q(Exists(mates.filter(~Exists(copies))), Exists(travels), deleted_at=None)


def behind() -> Exists:
    """Say of items that some copy has not seen their latest revision."""
    copies = Mapping.objects.filter(item=OuterRef("pk"))
    return Exists(copies.filter(synced_revision__lt=OuterRef("revision")))


def wake(collection: Collection) -> int:
    """Have every item looked at that some calendar of the circle lacks; returns how many.

    Must run inside a transaction.
    """
    if collection.circle_id is None:
        return 0
    asleep = Item.objects.filter(home__in=mates_of(collection), pending=False)
    rows = asleep.filter(lacking()).select_for_update(of=("self",), no_key=True).order_by("pk")
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        Item.objects.filter(pk__in=ids[start : start + BATCH]).update(pending=True)
    return len(ids)
