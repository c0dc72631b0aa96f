from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.admission import Admission, Admitted, Refused
from bot.asking import Ask
from bot.parameters import AlbumParameters, BeatParameters, EssayParameters, Kind
from bot.samples import Sample
from bot.settings import Settings
from bot.store import NOBODY, SAMPLE, State, Store
from bot.styles import Styles
from models.contract import KEYS, SEED_LIMIT, AudioFormat
from tests.bot.doubles import ScriptedClient


@pytest.fixture
async def styles() -> Styles:
    styles = Styles(ScriptedClient())
    assert await styles.refresh()
    return styles


@pytest.fixture
def admission(sqlite_store: Store, styles: Styles, settings: Settings) -> Admission:
    return Admission(sqlite_store, styles, settings)


def ask(kind: Kind = "essay", user: int = 1, guild: int | None = 7, **values: object) -> Ask:
    if kind == "essay":
        values = {"topic": "The sea", **values}
    if kind == "album":
        values = {"title": "Night Drive", **values}
    return Ask(kind=kind, parameters=values, user_id=user, guild_id=guild, channel_id=70)


async def admitted(admission: Admission, wanted: Ask) -> Admitted:
    answer = await admission.admit(wanted)
    assert isinstance(answer, Admitted), answer
    return answer


async def refusal(admission: Admission, wanted: Ask) -> str:
    answer = await admission.admit(wanted)
    assert isinstance(answer, Refused), answer
    assert str(answer.sentence).endswith((".", "?"))
    return answer.sentence.key


async def test_an_essay_enters_with_defaults(admission: Admission, sqlite_store: Store) -> None:
    wanted = Ask(
        kind="essay",
        parameters={"topic": "  The\n sea\t"},
        user_id=1,
        guild_id=7,
        channel_id=70,
        interaction_token="token",
        upload_limit=10,
        locale="de",
        parent_id=3,
    )
    answer = await admitted(admission, wanted)
    request = await sqlite_store.requests.get(answer.request.id)
    assert request is not None and request == answer.request
    assert request.parameters == EssayParameters(topic="The sea", words=400, style=None)
    assert (request.state, request.locale, request.upload_limit, request.parent_id) == (
        State.QUEUED,
        "de",
        10,
        3,
    )
    assert 0 <= request.seed < SEED_LIMIT and answer.outlook.place == 0


async def test_a_beat_enters_as_it_was_typed(admission: Admission) -> None:
    wanted = ask(
        "beat", bpm="90", bars=8.0, key="db Minor", format="OGG", style=" LETTERS ", seed="5"
    )
    request = (await admitted(admission, wanted)).request
    assert request.parameters == BeatParameters(
        bpm=90, bars=8, key="C# minor", format=AudioFormat.OGG, style="Letters"
    )
    assert request.seed == 5
    plain = (await admitted(admission, ask("beat", user=2))).request.parameters
    assert plain == BeatParameters()


@pytest.mark.parametrize(
    ("kind", "values", "key"),
    [
        ("essay", {"topic": None}, "topic_missing"),
        ("essay", {"topic": " \u200b\n"}, "topic_missing"),
        ("essay", {"topic": "x" * 501}, "topic_long"),
        ("essay", {"topic": "123 !!!"}, "topic_letters"),
        ("essay", {"opening": "x" * 2001}, "opening_long"),
        ("essay", {"opening": "sea " * 60, "words": 100}, "opening_room"),
        ("essay", {"words": 49}, "words_range"),
        ("essay", {"words": 1201}, "words_range"),
        ("essay", {"words": "many"}, "words_range"),
        ("essay", {"words": 99.5}, "words_range"),
        ("essay", {"style": "haiku"}, "style_unknown"),
        ("essay", {"seed": -1}, "seed_range"),
        ("essay", {"seed": SEED_LIMIT}, "seed_range"),
        ("beat", {"bpm": 59}, "bpm_range"),
        ("beat", {"bpm": 181}, "bpm_range"),
        ("beat", {"bars": 3}, "bars_range"),
        ("beat", {"bars": 65}, "bars_range"),
        ("beat", {"key": "H major"}, "key_unknown"),
        ("beat", {"key": "C lydian"}, "key_unknown"),
        ("beat", {"energy": "wild"}, "energy_unknown"),
        ("beat", {"format": "aiff"}, "format_unknown"),
        ("beat", {"style": "{0} {x}"}, "style_unknown"),
    ],
)
async def test_each_wrong_value_has_its_sentence(
    admission: Admission, sqlite_store: Store, kind: Kind, values: dict[str, object], key: str
) -> None:
    wanted = Ask(kind=kind, parameters={"topic": "The sea", **values}, user_id=1)
    assert await refusal(admission, wanted) == key
    assert await sqlite_store.requests.depth() == {}


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("C major", "C major"),
        ("c", "C major"),
        ("Am", "A minor"),
        ("AM", "A major"),
        ("f#min", "F# minor"),
        ("G♯ minor", "Ab minor"),
        ("B♭ Major", "Bb major"),
    ],
)
async def test_keys_may_be_written_in_many_ways(admission: Admission, typed: str, key: str) -> None:
    parameters = (await admitted(admission, ask("beat", key=typed))).request.parameters
    assert isinstance(parameters, BeatParameters) and parameters.key == key and key in KEYS


async def test_every_key_is_understood_as_it_is_spelled(settings: Settings) -> None:
    from bot.asking import beat_parameters

    empty = Styles(ScriptedClient())
    for key in KEYS:
        assert beat_parameters({"key": key}, empty, style=None, bars_max=32).key == key


async def test_without_a_list_of_styles_the_service_decides(
    sqlite_store: Store, settings: Settings
) -> None:
    admission = Admission(sqlite_store, Styles(ScriptedClient()), settings)
    parameters = (await admitted(admission, ask(style="haiku"))).request.parameters
    assert parameters.style == "haiku"


async def test_a_guild_may_close_channels(admission: Admission, sqlite_store: Store) -> None:
    await sqlite_store.guilds.change(7, allowed_channels=[71])
    assert await refusal(admission, ask()) == "channel_closed"
    thread = Ask(
        kind="essay",
        parameters={"topic": "a"},
        user_id=1,
        guild_id=7,
        channel_id=5,
        parent_channel_id=71,
    )
    await admitted(admission, thread)
    await admitted(admission, ask(guild=8))
    await admitted(admission, ask(guild=None))


async def test_a_guild_may_set_limits_and_defaults(
    admission: Admission, sqlite_store: Store
) -> None:
    await sqlite_store.guilds.change(
        7, words_max=200, bars_max=8, essay_style="Letters", beat_style="gone"
    )
    assert await refusal(admission, ask(words=201)) == "guild_words"
    assert await refusal(admission, ask("beat", bars=9)) == "guild_bars"
    essay = (await admitted(admission, ask())).request.parameters
    assert essay == EssayParameters(topic="The sea", words=200, style="Letters")
    beat = (await admitted(admission, ask("beat"))).request.parameters
    assert beat == BeatParameters(bars=8, style=None)


async def test_a_guild_may_block_wording(admission: Admission, sqlite_store: Store) -> None:
    await sqlite_store.guilds.change(7, blocked_words=["Façade"], blocked_patterns=[r"sp+am"])
    assert await refusal(admission, ask(topic="A fac\u0327ade!")) == "filtered_prompt"
    assert await refusal(admission, ask(topic="SPPPAM")) == "filtered_prompt"
    assert await refusal(admission, ask(opening="So **spam**")) == "filtered_prompt"
    sample = Sample("spam.mid", "mid", b"MThd")  # its name stands on the card
    named = replace(ask("beat"), sample=sample)
    assert await refusal(admission, named) == "filtered_prompt"
    await admitted(admission, ask(topic="Facades"))
    await admitted(admission, ask(guild=8, topic="Façade"))


async def test_what_an_essay_goes_on_from_is_kept_clean(admission: Admission) -> None:
    parameters = (await admitted(admission, ask(opening=" The **sea**\n"))).request.parameters
    assert parameters == EssayParameters(topic="The sea", opening="The sea")
    long = "sea " * 400
    parameters = (await admitted(admission, ask(user=3, opening=long))).request.parameters
    assert parameters == EssayParameters(topic="The sea", opening=long.strip(), words=650)
    parameters = (await admitted(admission, ask(user=2, opening=" \u200b"))).request.parameters
    assert parameters == EssayParameters(topic="The sea")


async def test_the_queue_has_an_end(
    sqlite_store: Store, styles: Styles, settings: Settings
) -> None:
    small = settings.model_copy(update={"queue_limit": 2})
    admission = Admission(sqlite_store, styles, small)
    await admitted(admission, ask(user=1))
    await admitted(admission, ask(user=2))
    assert await refusal(admission, ask(user=3)) == "queue_full"


async def test_a_user_has_few_open_requests_even_when_clicking_fast(
    admission: Admission, sqlite_store: Store
) -> None:
    answers = await asyncio.gather(*(admission.admit(ask()) for _ in range(8)))
    assert sum(isinstance(answer, Admitted) for answer in answers) == 3
    assert await refusal(admission, ask()) == "user_open"
    first = next(a.request for a in answers if isinstance(a, Admitted))
    await sqlite_store.requests.request_cancel(first.id)
    await admitted(admission, ask())


async def test_days_have_quotas(sqlite_store: Store, styles: Styles, settings: Settings) -> None:
    small = settings.model_copy(update={"user_daily_limit": 2, "guild_daily_limit": 3})
    admission = Admission(sqlite_store, styles, small)
    await admitted(admission, ask(user=1))
    await admitted(admission, ask(user=1))
    assert await refusal(admission, ask(user=1)) == "user_daily"
    assert await refusal(admission, ask(user=1, guild=None)) == "user_daily"
    await admitted(admission, ask(user=2))
    assert await refusal(admission, ask(user=3)) == "guild_daily"
    await admitted(admission, ask(user=3, guild=8))


async def test_a_guild_may_set_lower_quotas(admission: Admission, sqlite_store: Store) -> None:
    await sqlite_store.guilds.change(7, user_daily_limit=1, daily_limit=2)
    await admitted(admission, ask(user=1))
    assert await refusal(admission, ask(user=1)) == "user_daily"
    await admitted(admission, ask(user=1, guild=8))
    await admitted(admission, ask(user=2))
    assert await refusal(admission, ask(user=3)) == "guild_daily"


async def test_our_own_failures_and_yesterday_do_not_count(
    sqlite_store: Store,
    styles: Styles,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = settings.model_copy(update={"user_daily_limit": 1, "user_open_limit": 9})
    admission = Admission(sqlite_store, styles, small)
    failed = (await admitted(admission, ask())).request
    claimed = await sqlite_store.requests.claim({"discord"}, "w")
    assert claimed is not None and claimed.id == failed.id
    await sqlite_store.requests.fail(claimed, "Broken.")
    await admitted(admission, ask())
    assert await refusal(admission, ask()) == "user_daily"
    tomorrow = datetime.now().astimezone() + timedelta(days=1)
    monkeypatch.setattr("bot.admission.utc_now", lambda: tomorrow)
    await admitted(admission, ask())


async def test_a_guild_may_slow_people_down(admission: Admission, sqlite_store: Store) -> None:
    await sqlite_store.guilds.change(7, cooldown_seconds=60)
    await admitted(admission, ask(user=1))
    answer = await admission.admit(ask(user=1))
    assert isinstance(answer, Refused) and answer.sentence.key == "cooldown"
    assert answer.sentence.values["seconds"] in (59, 60)
    await admitted(admission, ask(user=2))
    await admitted(admission, ask(user=1, guild=8))


async def test_the_console_has_no_quotas(
    sqlite_store: Store, styles: Styles, settings: Settings
) -> None:
    small = settings.model_copy(update={"user_daily_limit": 1, "queue_limit": 1})
    admission = Admission(sqlite_store, styles, small)
    for _ in range(5):
        await admitted(admission, ask(user=NOBODY, guild=None))


async def test_admission_is_quick_while_the_queue_is_long(
    admission: Admission, sqlite_store: Store
) -> None:
    for user in range(1, 60):
        await admitted(admission, ask(user=user))
    started = time.process_time()  # what it costs, however busy the machine is
    answer = await admitted(admission, ask(user=1))
    assert time.process_time() - started < 0.5
    assert answer.outlook.place == 59


async def test_an_album_enters_with_defaults_and_is_checked(
    admission: Admission, sqlite_store: Store
) -> None:
    entered = await admitted(admission, ask("album", title="  Night\n Drive "))
    assert entered.request.parameters == AlbumParameters(title="Night Drive", tracks=6)
    for values, key in (
        ({"title": " "}, "title_missing"),
        ({"title": "x" * 81}, "title_long"),
        ({"tracks": 13}, "tracks_range"),
        ({"tracks": "many"}, "tracks_range"),
        ({"style": "polka"}, "style_unknown"),
    ):
        assert await refusal(admission, ask("album", **values)) == key
    await sqlite_store.guilds.change(7, blocked_words=["night"], beat_style="letters")
    assert await refusal(admission, ask("album")) == "filtered_prompt"
    entered = await admitted(admission, ask("album", title="Day Drive"))
    assert entered.request.parameters.style == "Letters"


async def test_an_album_costs_a_request_a_track(admission: Admission, sqlite_store: Store) -> None:
    await sqlite_store.guilds.change(7, user_daily_limit=5, daily_limit=9)
    await admitted(admission, ask("album", tracks=3))
    assert await refusal(admission, ask("album", tracks=3)) == "user_daily_left"
    await admitted(admission, ask("beat"))
    await admitted(admission, ask("album", user=2, tracks=5))
    assert await refusal(admission, ask("album", user=3, tracks=3)) == "guild_daily"
    await sqlite_store.guilds.change(7, daily_limit=11)
    assert await refusal(admission, ask("album", user=3, tracks=3)) == "guild_daily_left"


async def test_a_sample_is_there_as_soon_as_its_row_is(
    admission: Admission, sqlite_store: Store
) -> None:
    given = Sample("tune.mid", "mid", b"MThd")
    wanted = replace(ask("beat"), sample=given)
    entered = await admitted(admission, wanted)
    assert isinstance(entered.request.parameters, BeatParameters)
    assert entered.request.parameters.sample == "tune.mid"
    kept = await sqlite_store.artifacts.get(entered.request.id, SAMPLE)
    assert kept is not None and kept.path.read_bytes() == b"MThd"
    without = (await admitted(admission, ask("beat", user=2, sample="forged"))).request
    assert isinstance(without.parameters, BeatParameters) and without.parameters.sample is None
