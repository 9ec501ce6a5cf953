"""The stylesheet's colours, light and dark: text is readable on what it stands on (WCAG AA, 4.5 to 1)."""

import re
from pathlib import Path

import pytest

import api.pages.assets

CSS = (Path(api.pages.assets.__file__).parent / "static" / "console.css").read_text()
PAIRS = dict(re.findall(r"--([\w-]+): light-dark\((#\w+, #\w+)\)", CSS))
TONES = ("good", "run", "wait", "warn", "bad")


def _colour(name: str, scheme: int) -> tuple[float, ...]:
    text = PAIRS[name].split(", ")[scheme].removeprefix("#")
    text = "".join(digit * 2 for digit in text) if len(text) == 3 else text
    return tuple(int(text[at : at + 2], 16) / 255 for at in (0, 2, 4))


def _luminance(colour: tuple[float, ...]) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str, scheme: int) -> float:
    dark, light = sorted(_luminance(_colour(name, scheme)) for name in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [(tone, f"{tone}-tint") for tone in TONES]
    + [(tone, "surface") for tone in TONES]
    + [("text", f"{tone}-tint") for tone in TONES]
    + [(text, ground) for text in ("text", "muted", "accent") for ground in ("bg", "surface", "sunken")]
    + [("muted", "idle-tint"), ("on-accent", "accent")],
)
def test_text_is_readable_on_its_ground(text, ground, scheme):
    """Every pair that pages use."""
    assert _contrast(text, ground, scheme) >= 4.5
