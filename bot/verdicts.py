"""What Discord's errors mean, and so what is to be done: one table."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What an error of Discord's means for a message, and so what is to be done."""

    DEAD_TOKEN = "the interaction's token is over: edit as the bot"
    GONE = "the message or its channel was deleted: nowhere to answer"
    NO_ACCESS = "the bot may not write there: nowhere to answer"
    TOO_LARGE = "a file is too large: drop the largest"
    NO_FILES = "no files are taken here: leave them out"
    BLOCKED = "a filter of the place blocks the text: say that instead"
    TOO_OLD = "the message cannot be edited any more: post a new one"
    INVALID = "the payload is wrong, which is our mistake: say it plainly"
    TAKEN = "somebody has answered this interaction already: go on with that answer"
    AWAY = "Discord is in trouble: try again, then give up"


#: Discord's JSON error codes (topics/opcodes-and-status-codes).
CODES = {
    10015: Verdict.DEAD_TOKEN,  # unknown webhook
    10062: Verdict.DEAD_TOKEN,  # unknown interaction
    50027: Verdict.DEAD_TOKEN,  # invalid webhook token
    10003: Verdict.GONE,  # unknown channel
    10008: Verdict.GONE,  # unknown message
    50001: Verdict.NO_ACCESS,  # missing access
    50005: Verdict.NO_ACCESS,  # cannot edit a message of another user
    50007: Verdict.NO_ACCESS,  # cannot send messages to this user
    50013: Verdict.NO_ACCESS,  # missing permissions
    40005: Verdict.TOO_LARGE,
    40060: Verdict.TAKEN,  # interaction has already been acknowledged
    400001: Verdict.NO_FILES,  # uploads are limited in this guild
    20009: Verdict.BLOCKED,  # explicit content
    200000: Verdict.BLOCKED,  # AutoMod
    200001: Verdict.BLOCKED,  # AutoMod, title
    240000: Verdict.BLOCKED,  # harmful link
    30046: Verdict.TOO_OLD,  # too many edits of a message older than an hour
    50083: Verdict.TOO_OLD,  # thread is archived; a new message opens it again
    50035: Verdict.INVALID,
}


STATUSES = {
    400: Verdict.INVALID,
    401: Verdict.DEAD_TOKEN,
    403: Verdict.NO_ACCESS,
    404: Verdict.GONE,
    413: Verdict.TOO_LARGE,
}


def judge(code: int, status: int) -> Verdict:
    """Say what an answer means, by its JSON code, else by its HTTP status."""
    return CODES.get(code) or STATUSES.get(status, Verdict.AWAY)
