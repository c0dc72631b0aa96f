"""What a person typed, made into parameters; every wrong value is one plain sentence."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.openings import cleaned
from bot.parameters import AlbumParameters, BeatParameters, Energy, EssayParameters, Kind
from bot.samples import Sample
from bot.sentences import Objection, Sentence
from bot.styles import Styles
from models.contract import (
    BARS_MAX,
    BARS_MIN,
    BPM_MAX,
    BPM_MIN,
    KEYS,
    OPENING_LIMIT,
    SEED_LIMIT,
    TITLE_LIMIT,
    TOPIC_LIMIT,
    TRACKS_MAX,
    TRACKS_MIN,
    WORDS_MAX,
    WORDS_MIN,
    AudioFormat,
)

_KEY = re.compile(r"([A-G])\s*([#b]?)\s*(maj(?:or)?|min(?:or)?|m|)", re.IGNORECASE)
#: Other names of the tonics that KEYS spells.
_SPELLING = {"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb", "E#": "F", "B#": "C"}
_SPELLING |= {"Cb": "B", "Fb": "E"}

#: Words that an essay usually adds to a text it goes on from, and the fewest it is asked to.
GOES_ON = 250
LEAST_ROOM = 50


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What somebody typed, where, and how to answer.

    ``parameters`` may hold topic, words, style, opening, seed; or style, bpm, bars, key,
    energy, format, seed, variation; or title, tracks, style, seed. Left out or None means the
    default. With a style may come the version that it stood for when it was asked for before.
    """

    kind: Kind
    parameters: Mapping[str, object]
    #: The file that a beat is to be played around, read and found good.
    sample: Sample | None = field(default=None, repr=False)
    user_id: int
    origin: str = "discord"
    guild_id: int | None = None
    channel_id: int | None = None
    #: Channel a thread belongs to: allowing it allows its threads.
    parent_channel_id: int | None = None
    message_id: int | None = None
    interaction_token: str | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    upload_limit: int | None = None
    locale: str = "en"
    parent_id: int | None = None
    reserved_for: str | None = None


class WrongValue(Objection):
    """A value cannot be used."""


def essay_parameters(
    values: Mapping[str, object], styles: Styles, *, style: str | None, words_max: int
) -> EssayParameters:
    """Check an essay's values; ``style`` and ``words_max`` are the guild's own."""
    topic = _topic(values.get("topic"))
    opening, words = _opening(values.get("opening")), values.get("words")
    given = len(opening.split()) if opening is not None else 0
    if words is None:
        usual: int = EssayParameters.model_fields["words"].default
        words = min(max(usual, given + GOES_ON), words_max)
    number = _whole(words, "words_range", WORDS_MIN, WORDS_MAX)
    if opening is not None and number < given + LEAST_ROOM:
        raise WrongValue(Sentence("opening_room", count=given, least=given + LEAST_ROOM))
    return EssayParameters(
        topic=topic,
        words=number,
        style=_style(values.get("style"), style, "essay", styles),
        opening=opening,
    )


def beat_parameters(
    values: Mapping[str, object],
    styles: Styles,
    *,
    style: str | None,
    bars_max: int,
    sample: Sample | None = None,
) -> BeatParameters:
    """Check a beat's values; ``style`` and ``bars_max`` are the guild's own."""
    bpm, bars, key = values.get("bpm"), values.get("bars"), values.get("key")
    if bars is None:
        bars = min(BeatParameters.model_fields["bars"].default, bars_max)
    return BeatParameters(
        style=_style(values.get("style"), style, "beat", styles),
        bpm=None if bpm is None else _whole(bpm, "bpm_range", BPM_MIN, BPM_MAX),
        bars=_whole(bars, "bars_range", BARS_MIN, BARS_MAX),
        key=None if key is None else _key(str(key)),
        energy=_energy(values.get("energy")),
        format=_format(values.get("format")),
        variation=seed_of(values.get("variation") or 0),
        sample=sample.name if sample is not None else None,
    )


def album_parameters(
    values: Mapping[str, object], styles: Styles, *, style: str | None
) -> AlbumParameters:
    """Check a record's values; ``style`` is the guild's own for beats."""
    title = _line(values.get("title"))
    if not title:
        raise WrongValue(Sentence("title_missing"))
    if len(title) > TITLE_LIMIT:
        raise WrongValue(Sentence("title_long", limit=TITLE_LIMIT))
    tracks = values.get("tracks")
    if tracks is None:
        tracks = AlbumParameters.model_fields["tracks"].default
    return AlbumParameters(
        title=title,
        tracks=_whole(tracks, "tracks_range", TRACKS_MIN, TRACKS_MAX),
        style=_style(values.get("style"), style, "album", styles),
    )


def seed_of(value: object) -> int:
    """Check a seed, or choose one."""
    if value is None:
        return secrets.randbelow(SEED_LIMIT)
    seed = _number(value)
    if seed is None or not 0 <= seed < SEED_LIMIT:
        raise WrongValue(Sentence("seed_range", high=SEED_LIMIT - 1))
    return seed


def _topic(value: object) -> str:
    text = _line(value)
    if not text:
        raise WrongValue(Sentence("topic_missing"))
    if len(text) > TOPIC_LIMIT:
        raise WrongValue(Sentence("topic_long", limit=TOPIC_LIMIT))
    if not any(c.isalpha() for c in text):
        raise WrongValue(Sentence("topic_letters"))
    return text


def _line(value: object) -> str:
    """Put what was typed into one line of printable text."""
    text = unicodedata.normalize("NFC", str(value or ""))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _opening(value: object) -> str | None:
    text = cleaned(str(value or ""))
    if len(text) > OPENING_LIMIT:
        raise WrongValue(Sentence("opening_long", limit=OPENING_LIMIT))
    return text or None


def _style(value: object, default: str | None, kind: Kind, styles: Styles) -> str | None:
    known = styles.of(kind)
    if value is None or not str(value).strip():
        # A guild's default may have been removed since it was chosen.
        return styles.find(kind, default) if default and known else default
    wanted = str(value).strip()
    if not known:
        return wanted[:64]  # the service, when it is back, knows better
    found = styles.find(kind, wanted)
    if found is None:
        choices = ", ".join(style.name for style in styles.offered(kind))
        raise WrongValue(Sentence("style_unknown", value=_shown(wanted), choices=choices))
    return found


def _key(value: str) -> str:
    plain = value.strip().replace("♯", "#").replace("♭", "b")
    match = _KEY.fullmatch(plain)
    if match is None:
        raise WrongValue(Sentence("key_unknown", value=_shown(value)))
    letter, sign, mode = match.groups()
    tonic = letter.upper() + sign.lower()
    minor = mode == "m" or mode.lower().startswith("min")
    key = f"{_SPELLING.get(tonic, tonic)} {'minor' if minor else 'major'}"
    if key not in KEYS:
        raise WrongValue(Sentence("key_unknown", value=_shown(value)))
    return key


def _energy(value: object) -> Energy | None:
    if value is None:
        return None
    try:
        return Energy(str(value).strip().lower())
    except ValueError:
        sentence = Sentence("energy_unknown", value=_shown(str(value)), choices=", ".join(Energy))
        raise WrongValue(sentence) from None


def _format(value: object) -> AudioFormat:
    if value is None:
        return AudioFormat.MP3
    try:
        return AudioFormat(str(value).strip().lower())
    except ValueError:
        choices = ", ".join(AudioFormat)
        sentence = Sentence("format_unknown", value=_shown(str(value)), choices=choices)
        raise WrongValue(sentence) from None


def _whole(value: object, sentence: str, low: int, high: int) -> int:
    number = _number(value)
    if number is None or not low <= number <= high:
        raise WrongValue(Sentence(sentence, low=low, high=high))
    return number


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _shown(value: str) -> str:
    """Cut what is repeated to its sender."""
    return value if len(value) <= 40 else value[:39] + "…"
