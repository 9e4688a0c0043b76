"""The form of a busy rule in the admin."""

from typing import Any

from django import forms
from django.db.models import Field

from calendars.models import BusyRule
from calendars.services import COLOURS, EVENT_TYPES, SHOWABLE, WEEKDAYS, problems_of

# The page of a rule, part by part.
RULE_PARTS: tuple[tuple[str | None, Any], ...] = (
    (None, {"fields": ("source", "target")}),
    (
        "What a block shows",
        {"fields": ("title_template", "fields", "visibility", "colour", "link_back")},
    ),
    (
        "Which events make a block",
        {
            "fields": (
                *("skip_declined", "skip_free", "tentative", "unanswered", "all_day"),
                *("private_events", "skip_event_types", "include", "exclude"),
                *("skip_invited", "once_per_meeting"),
            )
        },
    ),
    (
        "When",
        {
            "fields": (
                *("hours_from", "hours_to", "weekdays", "minimum_minutes", "buffer_before"),
                *("buffer_after", "travel_minutes", "merge", "past_days", "future_days"),
            )
        },
    ),
    (
        "Its life",
        {
            "fields": (
                *("enabled", "paused_until", "active_from", "active_until"),
                *("on_edit", "on_delete", "adopts"),
            )
        },
    ),
)


class FiltersField(forms.CharField):
    """Filters of a rule, one on each line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        """Show the filters one below the other."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the filters as a list."""
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the lists, whatever line ends a browser sends."""
        return bool((initial or []) != self.to_python(data))


class BusyRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A busy rule as a person fills it in; the rules about rules are the service's."""

    fields = forms.MultipleChoiceField(  # type: ignore[assignment]
        choices=[(name, name) for name in SHOWABLE],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Show",
        help_text="What of an event may be seen in the other calendar, beside its times.",
    )
    colour = forms.ChoiceField(
        choices=[("", "the calendar's"), *((number, number) for number in COLOURS)], required=False
    )
    skip_event_types = forms.MultipleChoiceField(
        choices=[(name, name) for name in EVENT_TYPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    weekdays = forms.MultipleChoiceField(
        choices=[(name, name) for name in WEEKDAYS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="In the zone of the target; none means all.",
    )
    include = FiltersField(
        required=False,
        help_text='One on each line, such as "title:*review*" or "organiser:re:@example\\.com$".',
    )
    exclude = FiltersField(required=False, help_text="As above; what matches makes no block.")

    class Meta:
        model = BusyRule
        fields = tuple(name for _, part in RULE_PARTS for name in part["fields"])
        help_texts = {
            "title_template": "{title}, {location}, {calendar} are filled in, if they are shown.",
            "link_back": "Only between two accounts with one owner, and only in private blocks.",
            "hours_from": "In the zone of the target; empty for the beginning of the day.",
            "hours_to": "Empty for the end of the day.",
            "minimum_minutes": "Shorter events make no block.",
            "travel_minutes": "Before and after events that have a place.",
            "merge": "Make one block of blocks that overlap or touch.",
            "skip_invited": "No block where the target has the meeting itself.",
            "once_per_meeting": "One block for a meeting that several calendars have.",
            "paused_until": "Until then its blocks stay as they are.",
            "active_from": "Before this day it has no blocks.",
            "active_until": "After this day it has no blocks.",
            "adopts": "Take copies made by hand for blocks instead of doubling them.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.base_fields:
            # What is not sent along keeps its default, or stays as it is.
            known = BusyRule._meta.get_field(name)
            if isinstance(known, Field) and known.has_default() and name in self.data_fields:
                self.data_fields[name].required = False

    @property
    def data_fields(self) -> dict[str, forms.Field]:
        """The fields of this form; one of them has the name that Django gives to all of them."""
        return vars(self)["fields"]  # type: ignore[no-any-return]

    @property
    def sent(self) -> list[str]:
        """The names of the fields that were sent along and changed something."""
        widgets = {name: field.widget for name, field in self.data_fields.items()}
        return [
            name
            for name in self.changed_data
            if not widgets[name].value_omitted_from_data(self.data, self.files, name)
        ]

    def _get_validation_exclusions(self) -> set[str]:
        """Leave the calendars to the service, which says what to do where two do not fit."""
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions | {"source", "target"}

    def validate_unique(self) -> None:
        """Ask the service about the rule as a whole, once its parts fit."""
        if not self.errors:
            for problem in problems_of(self.instance):
                self.add_error(None, problem)
