"""The admin of workspaces, accounts and collections."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince

from config.admin_display import NOTHING, list_link, readable
from config.tenant_admin import OwnRowsFilter, ReadOnlyAdmin, TenantAdmin
from integrations.models import Account, Circle, Collection, Membership, Workspace


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    """Who belongs to a workspace."""

    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Workspace)
class WorkspaceAdmin(TenantAdmin):
    """Teams: superusers make them and choose their members, members look."""

    workspace_path = "pk"
    list_display = ("name", "people", "connected_accounts", "created_at")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "created_at")
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)
    when_empty = "There is no workspace yet. Connecting the first account makes one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        """Return workspaces with the numbers of their members and accounts."""
        rows: QuerySet[Workspace] = super().get_queryset(request)
        return rows.annotate(
            people_count=Count("memberships", distinct=True),
            account_count=Count("accounts", distinct=True),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only superusers decide who sees what."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only superusers decide who sees what."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A workspace may go while nothing belongs to it."""
        if not request.user.is_superuser or not isinstance(obj, Workspace):
            return False
        return not obj.accounts.exists() and not obj.items.exists()

    @admin.display(description="members", ordering="people_count")
    def people(self, workspace: Any) -> int:
        """Say how many people belong to it."""
        return int(workspace.people_count)

    @admin.display(description="accounts", ordering="account_count")
    def connected_accounts(self, workspace: Any) -> str:
        """Link to its accounts."""
        return list_link(Account, str(workspace.account_count), workspace__id__exact=workspace.pk)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Accounts: connected and reconnected by command, paused and resumed here."""

    workspace_path = "workspace"
    heavy = ("credentials", "list_cursor")
    list_display = ("email", "service", "state", "state_reason", "collections_of", "workspace")
    list_filter = ("state", "service", ("workspace", OwnRowsFilter))
    list_select_related = ("workspace",)
    search_fields = ("email", "identity")
    ordering = ("email", "id")
    fields = (
        *("email", "service", "identity", "workspace", "owner"),
        *("state", "state_reason", "scopes", "collections_of", "listed_at", "created_at"),
    )
    actions = ("pause", "resume")
    when_empty = "No account is connected yet: see manage.py connect_account --help"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return accounts with the numbers of their collections."""
        rows: QuerySet[Account] = super().get_queryset(request)
        return rows.annotate(collection_count=Count("collections", distinct=True))

    @admin.display(description="collections", ordering="collection_count")
    def collections_of(self, account: Any) -> str:
        """Link to its collections."""
        return list_link(Collection, str(account.collection_count), account__id__exact=account.pk)

    @admin.action(description="Pause the selected accounts", permissions=["steer"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Account]) -> None:
        """Let accounts rest."""
        done = self.changeable(request, chosen).pause()
        self.report(request, chosen, done, "paused", "only active accounts can be paused")

    @admin.action(description="Resume the selected accounts", permissions=["steer"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Account]) -> None:
        """Let paused accounts sync again."""
        done = self.changeable(request, chosen).resume()
        others = "only paused accounts can be resumed; others may need connect_account"
        self.report(request, chosen, done, "resumed", others)


@admin.register(Circle)
class CircleAdmin(ReadOnlyAdmin):
    """Circles: calendars join and leave them by command, which tells their copies apart."""

    workspace_path = "workspace"
    list_display = ("__str__", "calendars", "workspace", "created_at")
    list_filter = (("workspace", OwnRowsFilter),)
    list_select_related = ("workspace",)
    search_fields = ("name",)
    ordering = ("name", "id")
    fields = ("__str__", "workspace", "calendars", "to_remove", "created_at")
    when_empty = "No calendars hold the same events yet: see manage.py circle add --help"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Circle]:
        """Return circles with the numbers of their calendars."""
        rows: QuerySet[Circle] = super().get_queryset(request)
        return rows.annotate(calendar_count=Count("collections", distinct=True))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A circle goes with its workspace, once no calendar is in it."""
        alone = isinstance(obj, Circle) and not obj.collections.exists()
        return alone and bool(request.user.is_superuser)

    @admin.display(description="calendars", ordering="calendar_count")
    def calendars(self, circle: Any) -> str:
        """Link to its calendars."""
        return list_link(Collection, str(circle.calendar_count), circle__id__exact=circle.pk)

    @admin.display(description="to remove it")
    def to_remove(self, circle: Circle) -> str:
        """Say what makes events of their own of its copies; nothing else may take it away."""
        return f"Use: manage.py circle remove {circle.pk} (every copy stays where it is)"


@admin.register(Collection)
class CollectionAdmin(TenantAdmin):
    """Collections: their settings are a person's, everything else is for looking at."""

    workspace_path = "account__workspace"
    heavy = ("cursor",)
    list_display = (
        *("__str__", "kind", "selected", "direction", "strategy", "access_role"),
        *("synced_at", "in_use"),
    )
    list_filter = ("selected", "direction", "strategy", ("account", OwnRowsFilter))
    list_select_related = ("account",)
    search_fields = ("name", "remote_id", "account__email")
    ordering = ("account__email", "name", "id")
    fieldsets = (
        (None, {"fields": ("known_as", "account", "kind", "remote_id", "access_role", "gone_at")}),
        ("What is synced", {"fields": ("selected", "direction", "past_days")}),
        (
            "When both sides changed the same",
            {"fields": ("strategy", "fallback", "owners", "equal_within_seconds")},
        ),
        (
            "What waits for a person",
            {
                "fields": (
                    *("max_deletions", "max_deleted_share", "max_deleted_share_per_day"),
                    "deletions_held_because",
                )
            },
        ),
        (
            "Where it stands",
            {"fields": ("synced_at", "listed_at", "poked_at", "has_cursor", "in_use")},
        ),
    )
    readonly_fields = (
        *("known_as", "account", "kind", "remote_id", "access_role", "gone_at"),
        *("deletions_held_because", "synced_at", "listed_at", "poked_at", "has_cursor", "in_use"),
    )
    actions = ("list_anew",)
    when_empty = "There is no collection yet. Connecting an account brings its calendars."

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Collections come from the service's own list."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes a collection; one that is not selected rests."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Collection, form: "ModelForm[Collection]", change: bool
    ) -> None:
        """Save only what the person changed: a run may have moved the rest meanwhile."""
        obj.save_fields(form.changed_data)

    @admin.display(description="name")
    def known_as(self, collection: Collection) -> str:
        """Show its name, which others may have chosen."""
        return readable(collection.name)

    @admin.display(description="reads only what changed", boolean=True)
    def has_cursor(self, collection: Collection) -> bool:
        """Say whether the next run can start where the last one ended."""
        return bool(collection.cursor)

    @admin.display(description="in use by")
    def in_use(self, collection: Collection) -> str:
        """Say which run holds the lease, and for how long still."""
        now = timezone.now()
        if collection.lease_until is None or not collection.lease_holder:
            return NOTHING
        if collection.lease_until < now:
            return f"{collection.lease_holder}, died {timesince(collection.lease_until, now)} ago"
        left = timesince(now, collection.lease_until)
        return f"{collection.lease_holder}, for {left} (run {collection.lease_fence})"

    @admin.action(description="List everything anew at the next run", permissions=["change"])
    def list_anew(self, request: HttpRequest, chosen: QuerySet[Collection]) -> None:
        """Forget the cursors."""
        done = self.changeable(request, chosen).list_anew(now=timezone.now())
        what = "will be listed completely at the next run"
        others = "a run is at it, or you only have a viewer's rights there"
        self.report(request, chosen, done, what, others)
