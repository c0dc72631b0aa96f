"""The faces of a request: one embed, its buttons and its files, for each state it can be in.

Cards hold no state. Every button carries all it needs in its custom id, and the views are
stopped before they are sent, so that discord.py keeps nothing and a restart loses nothing.
"""

from bot.cards.names import headline
from bot.cards.parts import (
    AMBER,
    BUTTON_ID,
    GREEN,
    GREY,
    RED,
    Card,
    bar,
    button,
    choose,
    plain,
    row_of,
    size,
    view_of,
)
from bot.cards.results import beat, essay, essay_pages, page_buttons, result, without_files
from bot.cards.status import (
    ICONS,
    blocked,
    cancelled,
    ended,
    queued,
    started,
    working,
    writing,
)

__all__ = [
    "AMBER",
    "BUTTON_ID",
    "GREEN",
    "GREY",
    "ICONS",
    "RED",
    "Card",
    "bar",
    "beat",
    "blocked",
    "button",
    "cancelled",
    "choose",
    "ended",
    "essay",
    "essay_pages",
    "headline",
    "page_buttons",
    "plain",
    "queued",
    "result",
    "row_of",
    "size",
    "started",
    "view_of",
    "without_files",
    "working",
    "writing",
]
