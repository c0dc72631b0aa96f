"""What the service refuses before anything is queued, each in one plain sentence."""

from __future__ import annotations

from models.contract import KEYS, EssayRequest, ModelInfo
from models.essay.opening import LEAST_ROOM, read_opening


class Unacceptable(Exception):
    """The request or the version is wrong; the message is one plain sentence."""


def check_style(model: ModelInfo, style: str | None) -> None:
    """Refuse a style that the version does not have."""
    styles = [known.name for known in model.styles]
    if style is not None and style not in styles:
        raise Unacceptable(f"There is no style called {style!r}; choose {_either(styles)}.")


def check_opening(request: EssayRequest) -> None:
    """Refuse an opening that leaves nothing to write."""
    opening = read_opening(request.opening)
    if opening is not None and not opening.leaves_room(request.words):
        least = opening.words + LEAST_ROOM
        raise Unacceptable(
            f"The opening has {opening.words} words already, so please ask for at least {least}."
        )


def check_key(key: str | None) -> None:
    """Refuse a key that nobody can play in."""
    if key is not None and key not in KEYS:
        raise Unacceptable(f"{key!r} is not a key; try 'C minor' or 'F# major'.")


def _either(names: list[str]) -> str:
    """Join names for a sentence: ``a, b or c``."""
    if len(names) < 2:
        return "".join(names) or "none"
    return f"{', '.join(names[:-1])} or {names[-1]}"
