"""The port: what the engine asks of a remote service, whatever the service and the kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from sync.core.marks import Mark
from sync.core.records import Fields


class Remedy(StrEnum):
    """What to do about a refusal; each adapter has one table that leads every refusal here."""

    RETRY = "retry"  # not now: try again after a while
    REFRESH = "refresh"  # the access token is old: renew it, then try again
    RESYNC = "resync"  # the cursor is dead: one complete listing
    REREAD = "reread"  # our version is stale: read the copy, plan again
    ADOPT = "adopt"  # the name is taken: read what bears it, adopt it if it is ours
    GONE = "gone"  # there is nothing (any more): a deletion has succeeded
    PARK = "park"  # this record cannot be written as it is: set it aside, go on
    FREEZE = "freeze"  # the account or the collection is shut to us: stop, delete nothing
    HOLD = "hold"  # a limit that lasts for hours: stop until then


class Refusal(Exception):
    """A service said no, or nothing.

    `certain` is False when the service may have done what was asked (no answer, a server error).
    The text never holds a record's content or a secret: only service, call, status and reason.
    """

    def __init__(
        self,
        remedy: Remedy,
        *,
        call: str,
        status: int = 0,
        reason: str = "",
        retry_after: float | None = None,
        certain: bool = True,
    ) -> None:
        said = " ".join(part for part in (str(status or ""), reason) if part)
        super().__init__(f"{call}: {said or 'no answer'}")
        self.remedy = remedy
        self.call = call
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.certain = certain


@dataclass(frozen=True, slots=True)
class Copy:
    """One remote copy as a service showed it; a tombstone when `fields` is None.

    `version` is the service's opaque version (etag), "" where it has none. `ordinal` sorts two
    versions of the same copy as text (for instance the time of the change, RFC 3339 in UTC with
    milliseconds), "" when unknown. `parent` and `slot` tie an exception to its series: the remote
    id of the series and the original start ("2026-05-05" or "2026-05-05T07:00:00Z").
    `partial` says that `fields` holds only what this reader may see. `obstacle` says in a few
    words why the copy cannot be written, "" if it can. `evidence` says how we know that it is gone.
    `occurrences` names all exceptions that a series has, where they come along with it (a CalDAV
    resource holds them all): one that is not named is gone. None where each is listed by itself.
    `facts` is what the service states and nobody writes (never compared, never merged).
    `raw` is the answer as it came, for fields that Lockstep does not model.
    """

    remote_id: str
    version: str = ""
    fields: Fields | None = None
    ordinal: str = ""
    parent: str = ""
    slot: str = ""
    mark: Mark | None = None
    partial: bool = False
    obstacle: str = ""
    evidence: str = ""
    occurrences: frozenset[str] | None = None
    facts: Fields = field(default_factory=dict)
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One record of a page that could not be understood; the rest of the page stands."""

    remote_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; `cursor` is set on the last page only, and then is not empty.

    `strong` says that each copy was read as it stands now, by its name: it cannot lag behind.
    """

    copies: Sequence[Copy]
    cursor: str | None = None
    unreadable: Sequence[Unreadable] = ()
    strong: bool = False


class WriteKind(StrEnum):
    """What a write does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Write:
    """One change to one remote copy.

    `fields` is the whole record as it should be (for a deletion: empty); `changed` names the fields
    that an update touches, nothing else may be sent. An update or a deletion holds only while the
    copy still has `version`. A creation bears `remote_id` as its name, where the service lets
    clients choose one; an exception of a series is created with `parent` and `slot` and an empty
    `remote_id`: its name is the service's. `attempt` and `rule` go into the mark.
    """

    kind: WriteKind
    remote_id: str
    attempt: str
    version: str = ""
    fields: Fields = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    parent: str = ""
    slot: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write: the copy as it stands now (a tombstone if deleted), or why not."""

    write: Write
    copy: Copy | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """What a service can do for us."""

    conditional: bool  # refuses a write to a version that is no longer current
    client_ids: bool  # lets us name what we create
    batch: int = 1  # how many writes are sent together
    # Deleting an exception leaves the occurrence as its series says; elsewhere that cancels it.
    drops_exceptions: bool = False
    # Nothing can be written: what is there is shown from somewhere else.
    read_only: bool = False


class Provider(Protocol):
    """One collection of one kind at one service.

    Every method raises `Refusal`, and nothing else, when the service does not do what was asked.
    No method is called inside a database transaction.
    """

    # The exact request that a cursor belongs to; a cursor of another shape is not used.
    shape: str

    @property
    def traits(self) -> Traits:
        """What the service can do, as far as it is known by now."""

    @property
    def calls(self) -> int:
        """How many calls have been made, for the journal."""

    def ask_ahead(self, cursor: str) -> None:
        """Take it that `changes(cursor)` comes next: its first question may be on its way by now.

        Nothing is raised, and an answer that is never asked for harms nothing.
        """

    def changes(self, cursor: str) -> Iterator[Page]:
        """Yield what changed since `cursor`, or everything when it is ""; lazily, page by page.

        The last page carries the next cursor. A listing that ends without one raises `Refusal`.
        A dead cursor raises `Refusal` with `Remedy.RESYNC`.
        """

    def read(self, remote_id: str) -> Copy:
        """Read one copy by its name; a tombstone with evidence if it is gone."""

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """Carry out the writes, in any order, and yield one outcome for each.

        They may be on their way as soon as this returns; the outcomes are waited for.
        """

    def name(self, *parts: str) -> str:
        """Return a valid remote id made of the parts: the same parts, the same name."""

    def normalise(self, fields: Fields) -> Fields:
        """Return the fields as the service would hand them back, without what it cannot hold."""

    def covers(self, fields: Fields) -> bool:
        """Say whether a complete listing would show a record with these fields (its window)."""

    def marked(self) -> Iterator[Copy]:
        """Yield every copy in the collection that bears a genuine mark of a busy rule."""
