"""The palettes of `colors.get`: invented hues, since clients must read and not know them."""

from __future__ import annotations

import colorsys

from integrations.sandbox.world import Call, Reply


def _palette(count: int, saturation: float) -> dict[str, dict[str, str]]:
    palette = {}
    for number in range(count):
        red, green, blue = colorsys.hls_to_rgb(number / count, 0.7, saturation)
        background = f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"
        palette[str(number + 1)] = {"background": background, "foreground": "#1d1d1d"}
    return palette


CALENDAR_COLORS = _palette(24, 0.5)
EVENT_COLORS = _palette(11, 0.7)


def get(call: Call) -> Reply:
    """Return both palettes."""
    return Reply(
        {
            "kind": "calendar#colors",
            "updated": "2012-02-14T00:00:00.000Z",
            "calendar": CALENDAR_COLORS,
            "event": EVENT_COLORS,
        }
    )
