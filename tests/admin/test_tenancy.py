"""Nobody sees another workspace's rows: every admin of ours, every page, every way in."""

import pytest
from django.contrib import admin
from django.contrib.admin.filters import RelatedFieldListFilter
from django.db.models import Model
from django.urls import reverse

from calendars.models import BusyRule
from config.tenant_admin import OwnRowsFilter, TenantAdmin
from integrations.models import Account, Collection, Membership
from tests.admin.addresses import MODELS, NAMES, form_for_new, list_of, page_of
from tests.admin.team import Team, browser, superuser

pytestmark = pytest.mark.django_db
every_model = pytest.mark.parametrize("model", MODELS, ids=NAMES)


@pytest.fixture
def ours() -> Team:
    return Team("domestic")


@pytest.fixture
def theirs() -> Team:
    return Team("foreign")


@every_model
def test_every_admin_names_the_way_to_its_workspace(model: type[Model]) -> None:
    shown_by = admin.site._registry[model]

    assert isinstance(shown_by, TenantAdmin)
    assert shown_by.workspace_path


@every_model
def test_every_filter_by_a_related_row_offers_own_rows_only(model: type[Model]) -> None:
    for chosen in admin.site._registry[model].list_filter:
        if isinstance(chosen, tuple):
            assert issubclass(chosen[1], OwnRowsFilter)
        elif isinstance(chosen, str):
            assert not model._meta.get_field(chosen).is_relation, chosen
        else:
            assert not issubclass(chosen, RelatedFieldListFilter)


@every_model
def test_a_list_holds_the_rows_of_ones_own_workspaces(
    model: type[Model], ours: Team, theirs: Team
) -> None:
    page = browser(ours.member).get(list_of(model))

    shown = set(page.context["cl"].queryset)
    assert ours.rows[model] in shown
    assert theirs.rows[model] not in shown
    assert "foreign" not in page.content.decode()


@every_model
def test_a_superuser_sees_the_rows_of_all_workspaces(
    model: type[Model], ours: Team, theirs: Team
) -> None:
    page = browser(superuser()).get(list_of(model))

    assert {ours.rows[model], theirs.rows[model]} <= set(page.context["cl"].queryset)


@every_model
def test_ones_own_page_shows_nothing_of_another_workspace(
    model: type[Model], ours: Team, theirs: Team
) -> None:
    page = browser(ours.member).get(page_of(ours.rows[model]))

    assert page.status_code == 200
    assert "foreign" not in page.content.decode()


@every_model
@pytest.mark.parametrize("kind", ["change", "history", "delete"])
def test_another_workspaces_page_does_not_exist(
    model: type[Model], kind: str, ours: Team, theirs: Team
) -> None:
    page = browser(ours.member).get(page_of(theirs.rows[model], kind))

    assert page.status_code in (302, 403)
    if page.status_code == 302:
        assert page["Location"] == reverse("admin:index")


@every_model
def test_a_search_does_not_reach_another_workspace(
    model: type[Model], ours: Team, theirs: Team
) -> None:
    for wanted in ("foreign", str(theirs.rows[model].pk)):
        page = browser(ours.member).get(list_of(model), {"q": wanted})

        assert page.context["cl"].result_count == 0


@every_model
def test_whoever_belongs_to_no_workspace_sees_nothing(model: type[Model], ours: Team) -> None:
    Membership.objects.all().delete()

    page = browser(ours.member).get(list_of(model))

    assert page.context["cl"].result_count == 0


def test_a_new_rule_offers_ones_own_calendars_only(ours: Team, theirs: Team) -> None:
    page = browser(ours.member).get(form_for_new(BusyRule)).content.decode()

    assert "domestic main" in page
    assert "foreign" not in page


def test_another_workspaces_calendar_cannot_be_blocked(ours: Team, theirs: Team) -> None:
    answer = browser(ours.member).post(
        form_for_new(BusyRule),
        {
            "source": ours.other.pk,
            "target": theirs.main.pk,
            "title_template": "Busy",
            "past_days": 7,
            "future_days": 30,
        },
    )

    assert "target" in answer.context["adminform"].form.errors
    assert not BusyRule.objects.filter(target=theirs.main).exists()


def test_an_action_does_not_reach_another_workspace(ours: Team, theirs: Team) -> None:
    browser(ours.member).post(
        list_of(Account), {"action": "pause", "_selected_action": [theirs.account.pk]}
    )

    theirs.account.refresh_from_db()
    assert theirs.account.state == Account.State.ACTIVE


class TestAViewer:
    """A workspace's viewer looks, whatever Django's permissions say."""

    @pytest.fixture
    def team(self) -> Team:
        return Team("domestic", role=Membership.Role.VIEWER)

    def test_sees_pages_without_a_way_to_save(self, team: Team) -> None:
        page = browser(team.member).get(page_of(team.main))

        assert page.status_code == 200
        assert "_save" not in page.content.decode()

    def test_cannot_save(self, team: Team) -> None:
        answer = browser(team.member).post(page_of(team.main), {"selected": ""})

        assert answer.status_code == 403
        assert Collection.objects.get(pk=team.main.pk).selected

    def test_cannot_delete(self, team: Team) -> None:
        answer = browser(team.member).post(page_of(team.busy_rule, "delete"), {"post": "yes"})

        assert answer.status_code == 403
        assert BusyRule.objects.get(pk=team.busy_rule.pk).removed_at is None

    @pytest.mark.parametrize(
        ("row", "action"),
        [
            ("account", "pause"),
            ("main", "list_anew"),
            ("conflict", "keep_local"),
            ("busy_rule", "delete_selected"),
        ],
    )
    def test_sets_nothing_in_motion(self, team: Team, row: str, action: str) -> None:
        chosen = getattr(team, row)

        answer = browser(team.member).post(
            list_of(type(chosen)),
            {"action": action, "_selected_action": [chosen.pk], "post": "yes"},
            follow=True,
        )

        assert "success" not in answer.content.decode().lower()
        before = {name: value for name, value in vars(chosen).items() if name != "_state"}
        chosen.refresh_from_db()
        assert {name: getattr(chosen, name) for name in before} == before

    def test_offers_no_calendar_for_a_new_rule(self, team: Team) -> None:
        page = browser(team.member).get(form_for_new(BusyRule)).content.decode()

        assert "domestic main" not in page


def test_members_see_their_workspace_and_only_superusers_change_it(ours: Team) -> None:
    page = browser(ours.member).get(page_of(ours.workspace)).content.decode()

    assert "domestic-member" in page
    assert "_save" not in page
    assert "_save" in browser(superuser()).get(page_of(ours.workspace)).content.decode()
