"""The only voice back to Discord: edits of one status message, from "queued" to the result."""

from bot.delivery.front import DiscordFrontEnd
from bot.delivery.ladder import Maker, descend
from bot.delivery.messages import Messages

__all__ = ["DiscordFrontEnd", "Maker", "Messages", "descend"]
