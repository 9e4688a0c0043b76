"""Which records of two calendars are one and the same: by their iCalUID, else by their looks."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sync.core.records import Fields, fingerprint
from sync.core.text import same_words

SAME_UID = "the same iCalUID"
SAME_LOOK = "the same time and title"


@dataclass(frozen=True, slots=True)
class Face:
    """A record as it is told apart from others.

    `age` sorts records, the oldest first; `places` are the calendars that hold a copy of it. Its
    `look` is "" where it shows no time.
    """

    key: Any
    age: Any
    uid: str = ""
    look: str = ""
    places: frozenset[Any] = frozenset()


Record = TypeVar("Record", bound=Face)


def look_of(fields: Fields) -> str:
    """Return what two copies of one event have in common, made by hand or by another tool.

    Start, end, recurrence, and the title without regard to case and spaces. The zone in which a
    time was said is left out.
    """
    if not fields.get("start"):
        return ""
    times = [(fields.get(name) or {}) for name in ("start", "end")]
    said = [moment.get("at") or moment.get("date") for moment in times]
    title = same_words(str(fields.get("title") or ""))
    return fingerprint({"when": said, "title": title, "again": fields.get("recurrence") or []})


def why(one: Face, other: Face) -> str:
    """Say how two records that were grouped are known to be one."""
    return SAME_UID if one.uid and one.uid == other.uid else SAME_LOOK


def groups(faces: Iterable[Record]) -> list[list[Record]]:
    """Put records that are one and the same into one group, the oldest first.

    Those with the same iCalUID, then those that look the same. Records that share a calendar are
    two: nobody keeps one event twice in one place. Where an iCalUID is not unique within a
    calendar, the looks have to be the same as well.
    """
    alone = [_Group([face]) for face in sorted(faces, key=lambda face: face.age)]
    vague = _ambiguous(group.faces[0] for group in alone)
    by_uid = _merge(alone, lambda face: _name(face, vague))
    return [group.faces for group in _merge(by_uid, lambda face: face.look)]


class _Group(Generic[Record]):
    """Records that are taken for one, and the calendars in which it is."""

    def __init__(self, faces: list[Record]) -> None:
        self.faces = faces
        self.places = set[Any]().union(*(face.places for face in faces))


def _name(face: Face, vague: set[str]) -> str:
    return f"{face.uid}\n{face.look}" if face.uid in vague else face.uid


def _ambiguous(faces: Iterable[Face]) -> set[str]:
    """Name the iCalUIDs that one calendar holds several times."""
    times = Counter((face.uid, place) for face in faces if face.uid for place in face.places)
    return {uid for (uid, _), number in times.items() if number > 1}


def _merge(parts: Iterable[_Group[Record]], key: Callable[[Record], str]) -> list[_Group[Record]]:
    """Merge each group into the oldest one of the same key that is in other calendars."""
    merged: list[_Group[Record]] = []
    known: dict[str, list[_Group[Record]]] = {}
    for part in parts:
        keys = {key(face) for face in part.faces} - {""}
        alike = (group for name in sorted(keys) for group in known.get(name, ()))
        group = next((g for g in alike if not g.places & part.places), None)
        if group is None:
            merged.append(part)
            group = part
        else:
            group.faces = sorted([*group.faces, *part.faces], key=lambda face: face.age)
            group.places |= part.places
        for name in keys:
            if group not in known.setdefault(name, []):
                known[name].append(group)
    return merged
