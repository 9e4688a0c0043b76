"""Whose account it becomes: the person and the workspace that a command names, or the only ones."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from integrations.models import Membership, Workspace

FIRST_WORKSPACE = "Home"


class UnknownTenant(Exception):
    """It is not clear which person or workspace is meant; the text names those there are."""


def person_named(username: str) -> User | None:
    """Return the person, or the only one there is if none is named; None where there are several.

    Raises `UnknownTenant`.
    """
    people = get_user_model().objects.filter(is_active=True)
    if not username:
        first_two = list(people[:2])
        return first_two[0] if len(first_two) == 1 else None
    person = people.filter(**{get_user_model().USERNAME_FIELD: username}).first()
    if person is None:
        known = ", ".join(str(someone) for someone in people[:10]) or "nobody yet"
        raise UnknownTenant(f"there is no person {username!r}; there are: {known}")
    return person


def workspace_for(name: str, owner: User | None) -> Workspace:
    """Return the named workspace, or the only one there is; create it if need be.

    The person becomes the owner of a new workspace and a member of another one. Raises
    `UnknownTenant` where it is not clear which one is meant.
    """
    names = list(Workspace.objects.order_by("name").values_list("name", flat=True))
    if not name and len(names) > 1:
        raise UnknownTenant(f"which workspace? There are: {', '.join(names)} (--workspace NAME)")
    workspace, created = Workspace.objects.get_or_create(
        name=name or next(iter(names), FIRST_WORKSPACE)
    )
    if owner is not None:
        role = Membership.Role.OWNER if created else Membership.Role.MEMBER
        Membership.objects.get_or_create(
            workspace=workspace, user_id=owner.pk, defaults={"role": role}
        )
    return workspace
