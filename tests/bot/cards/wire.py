"""Cards as they go over the wire."""

from __future__ import annotations

from typing import Any

from bot.cards import Card


def payload(card: Card) -> dict[str, Any]:
    view = card.view.to_components() if card.view is not None else []
    return {"embeds": [card.embed.to_dict()], "components": view}


def ids(card: Card) -> list[str]:
    return [b["custom_id"] for row in payload(card)["components"] for b in row["components"]]
