"""Discord's numbers, and what enforces those that discord.py does not check.

Sources: Discord's developer documentation (resources/message, components/reference,
interactions/application-commands, reference#uploading-files). Nothing here imports discord:
payloads are the plain dictionaries that go over the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# Messages (resources/message).
CONTENT = 2000
EMBEDS = 10
EMBED_TITLE = 256
EMBED_DESCRIPTION = 4096
EMBED_FIELDS = 25
EMBED_FIELD_NAME = 256
EMBED_FIELD_VALUE = 1024
EMBED_FOOTER = 2048
EMBED_AUTHOR = 256
EMBED_TOTAL = 6000  # over all embeds of a message
NONCE = 25

# Files (reference#uploading-files). The limit of one file is the interaction's own number.
FILES = 10
UPLOAD_DEFAULT = 10 * 2**20  # where no interaction says otherwise
UPLOAD_REQUEST = 25 * 2**20  # one whole request
#: What its files may have together: its JSON and multipart headers are left 64 kB.
UPLOAD_FILES = UPLOAD_REQUEST - 2**16

# Components (components/reference).
CUSTOM_ID = 100
BUTTON_LABEL = 80
ROWS = 5
ROW_BUTTONS = 5
SELECT_OPTIONS = 25
SELECT_TEXT = 100
SELECT_PLACEHOLDER = 150
MODAL_TITLE = 45
MODAL_INPUTS = 5
INPUT_LABEL = 45
INPUT_VALUE = 4000
INPUT_PLACEHOLDER = 100

# Commands (interactions/application-commands).
COMMAND_NAME = 32
COMMAND_DESCRIPTION = 100
COMMAND_OPTIONS = 25
COMMAND_TOTAL = 8000
CHOICES = 25
CHOICE_NAME = 100

# Interactions (interactions/receiving-and-responding).
ACKNOWLEDGE_SECONDS = 3.0
#: More edits than one in two seconds of one message run into its rate limit.
EDIT_INTERVAL = 2.0

ACTION_ROW, BUTTON, SELECT = 1, 2, 3
_ELLIPSIS = "…"


class OverLimit(ValueError):
    """A payload breaks one of Discord's limits; the message names which."""


def clip(text: str, limit: int) -> str:
    """Shorten to ``limit`` characters between words, with an ellipsis."""
    if len(text) <= limit:
        return text
    room = limit - len(_ELLIPSIS)
    head = text[: room + 1]
    cut = max(head.rfind(" "), head.rfind("\n"))
    # One enormous word has no good place to cut; a hard cut is all that is left.
    kept = head[:cut] if cut > room // 2 else head[:room]
    return kept.rstrip() + _ELLIPSIS


def pages(text: str, limit: int = EMBED_DESCRIPTION) -> list[str]:
    """Split text into pages of at most ``limit``, on paragraphs, then sentences, then words."""
    found: list[str] = []
    page = ""
    for piece, joint in _pieces(text, limit):
        joined = f"{page}{joint}{piece}" if page else piece
        if page and len(joined) > limit:
            found.append(page)
            page = piece
        else:
            page = joined
    return [*found, page] if page or not found else found


def tail(text: str, limit: int) -> str:
    """Keep the end of a growing text, from the start of a word."""
    if len(text) <= limit:
        return text
    kept = text[-(limit - 2) :]
    space = kept.find(" ")
    return f"{_ELLIPSIS} {kept[space + 1 :] if 0 <= space < len(kept) // 2 else kept}"


def _pieces(text: str, limit: int) -> Iterator[tuple[str, str]]:
    """Yield unbreakable pieces with the joint that precedes them."""
    for paragraph in text.strip().split("\n\n"):
        if len(paragraph) <= limit:
            yield paragraph, "\n\n"
            continue
        joint = "\n\n"
        for sentence in _sentences(paragraph):
            for piece in _words(sentence, limit):
                yield piece, joint
                joint = " "


def _sentences(paragraph: str) -> list[str]:
    found, begin = [], 0
    for at, character in enumerate(paragraph):
        if character in ".!?" and paragraph[at + 1 : at + 2].isspace():
            found.append(paragraph[begin : at + 1].strip())
            begin = at + 1
    return [*found, paragraph[begin:].strip()]


def _words(sentence: str, limit: int) -> Iterator[str]:
    while len(sentence) > limit:
        cut = sentence.rfind(" ", 0, limit + 1)
        cut = cut if cut > 0 else limit
        yield sentence[:cut]
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence


def fit_files(sizes: Sequence[int], each: int) -> list[bool]:
    """Say which files may go along: none over ``each`` bytes, the request as a whole in bounds."""
    kept: list[bool] = []
    total = 0
    for size in sizes:
        fits = size <= each and total + size <= UPLOAD_FILES and sum(kept) < FILES
        kept.append(fits)
        total += size if fits else 0
    return kept


def _within(what: str, value: Any, limit: int) -> None:
    if value is not None and len(value) > limit:
        raise OverLimit(f"{what} has {len(value)}, the limit is {limit}")


def check_message(payload: Mapping[str, Any]) -> None:
    """Refuse a message, or an edit of one, that Discord would refuse."""
    _within("content", payload.get("content"), CONTENT)
    embeds = payload.get("embeds") or ()
    _within("embeds", embeds, EMBEDS)
    total = sum(_check_embed(embed) for embed in embeds)
    if total > EMBED_TOTAL:
        raise OverLimit(f"all embeds have {total}, the limit is {EMBED_TOTAL}")
    _within("attachments", payload.get("attachments"), FILES)
    if payload.get("nonce") is not None:
        _within("nonce", str(payload["nonce"]), NONCE)
    check_components(payload.get("components") or ())


def _check_embed(embed: Mapping[str, Any]) -> int:
    footer = (embed.get("footer") or {}).get("text")
    author = (embed.get("author") or {}).get("name")
    fields = embed.get("fields") or ()
    texts = [
        ("embed title", embed.get("title"), EMBED_TITLE),
        ("embed description", embed.get("description"), EMBED_DESCRIPTION),
        ("embed footer", footer, EMBED_FOOTER),
        ("embed author", author, EMBED_AUTHOR),
    ]
    _within("embed fields", fields, EMBED_FIELDS)
    for field in fields:
        if not field.get("name") or not field.get("value"):
            raise OverLimit("an embed field is empty")
        texts.append(("field name", field["name"], EMBED_FIELD_NAME))
        texts.append(("field value", field["value"], EMBED_FIELD_VALUE))
    for what, value, limit in texts:
        _within(what, value, limit)
    return sum(len(value) for _, value, _ in texts if value)


def check_components(rows: Iterable[Mapping[str, Any]]) -> None:
    """Refuse rows of buttons and menus that Discord would refuse."""
    rows = list(rows)
    _within("rows", rows, ROWS)
    seen: set[str] = set()
    for row in rows:
        if row.get("type") != ACTION_ROW:
            raise OverLimit("a component stands outside a row")
        items = row.get("components") or ()
        _within("row", items, ROW_BUTTONS)
        for item in items:
            _check_item(item, seen)


def _check_item(item: Mapping[str, Any], seen: set[str]) -> None:
    custom_id = item.get("custom_id")
    if custom_id is not None:
        _within("custom id", custom_id, CUSTOM_ID)
        if custom_id in seen:
            raise OverLimit(f"custom id {custom_id} is there twice")
        seen.add(custom_id)
    if item.get("type") == BUTTON:
        _within("button label", item.get("label"), BUTTON_LABEL)
    elif item.get("type") == SELECT:
        _within("menu", item.get("options"), SELECT_OPTIONS)
        _within("menu placeholder", item.get("placeholder"), SELECT_PLACEHOLDER)
        for option in item.get("options") or ():
            for key in ("label", "value", "description"):
                _within(f"menu {key}", option.get(key), SELECT_TEXT)


def check_modal(payload: Mapping[str, Any]) -> None:
    """Refuse a modal that Discord would refuse."""
    _within("modal title", payload.get("title"), MODAL_TITLE)
    _within("modal id", payload.get("custom_id"), CUSTOM_ID)
    rows = payload.get("components") or ()
    _within("modal", rows, MODAL_INPUTS)
    for row in rows:
        _within("modal label", row.get("label"), INPUT_LABEL)
        for item in row.get("components") or ([row["component"]] if "component" in row else []):
            _within("input id", item.get("custom_id"), CUSTOM_ID)
            _within("input label", item.get("label"), INPUT_LABEL)
            _within("input value", item.get("value"), INPUT_VALUE)
            _within("input placeholder", item.get("placeholder"), INPUT_PLACEHOLDER)


def check_choices(choices: Sequence[Mapping[str, Any]]) -> None:
    """Refuse choices of an option or of an autocomplete that Discord would refuse."""
    _within("choices", choices, CHOICES)
    for choice in choices:
        for name in _localised(choice, "name"):
            _within("choice name", name, CHOICE_NAME)
        if isinstance(choice.get("value"), str):
            _within("choice value", choice["value"], CHOICE_NAME)


def check_commands(commands: Iterable[Mapping[str, Any]]) -> None:
    """Refuse a set of commands that Discord would refuse, with its localisations."""
    names: set[tuple[int, str]] = set()
    for command in commands:
        key = (command.get("type", 1), command["name"])
        if key in names:
            raise OverLimit(f"command {command['name']} is there twice")
        names.add(key)
        size = _check_command(command, menu=key[0] != 1)
        if size > COMMAND_TOTAL:
            raise OverLimit(f"command {command['name']} has {size}, the limit is {COMMAND_TOTAL}")


def _localised(node: Mapping[str, Any], key: str) -> list[str]:
    return [node[key], *(node.get(f"{key}_localizations") or {}).values()]


def _check_command(node: Mapping[str, Any], *, menu: bool = False) -> int:
    """Check a command, menu, group or option; return its length as Discord counts it."""
    names = _localised(node, "name")
    descriptions = _localised(node, "description") if node.get("description") else [""]
    for name in names:
        _within(f"name {name}", name, COMMAND_NAME)
        if not menu:  # names of context menus may have spaces and capitals
            _check_name(name)
    for description in descriptions:
        _within(f"description of {names[0]}", description, COMMAND_DESCRIPTION)
    options = node.get("options") or ()
    choices = node.get("choices") or ()
    _within(f"options of {names[0]}", options, COMMAND_OPTIONS)
    check_choices(choices)
    # Discord counts the longest localisation of each text.
    size = max(map(len, names)) + max(map(len, descriptions))
    size += sum(max(map(len, _localised(c, "name"))) + len(str(c["value"])) for c in choices)
    return size + sum(_check_command(option) for option in options)


def _check_name(name: str) -> None:
    if name != name.lower() or not name or any(not (c.isalnum() or c in "-_'") for c in name):
        raise OverLimit(f"name {name} is not one lower-case word")
