"""The commands of the command line: what is made without Discord, the bot itself, its upkeep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from bot import inputs
from bot.admission import Ask
from bot.console import Finished, Show, workshop
from bot.endings import FAILED, FINE, WRONG, guarded, need_token, settings_or_end
from bot.inputs import Unusable
from bot.openings import topic_of
from bot.parameters import Energy
from bot.samples import Sample
from bot.settings import Settings
from bot.store import NOBODY, migrate
from bot.terminal import Bar, Quiet, Writing
from models.contract import (
    BARS_MAX,
    BARS_MIN,
    BPM_MAX,
    BPM_MIN,
    SEED_LIMIT,
    TRACKS_MAX,
    TRACKS_MIN,
    WORDS_MAX,
    WORDS_MIN,
    AudioFormat,
)

DEMO_ESSAY = {"topic": "Should schools start later in the morning?", "words": 250, "seed": 7}
DEMO_BEAT = {"seed": 7}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Ghostwriter: essays and beats from models your own community trains.",
)

Out = Annotated[Path, typer.Option(help="Folder for the files.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a result on stdout.")]
Seed = Annotated[
    int | None, typer.Option(min=0, max=SEED_LIMIT - 1, help="Same seed, same result.")
]
Style = Annotated[str | None, typer.Option(help="Name of a style.")]


@app.command()
def essay(
    topic: Annotated[str | None, typer.Argument(help="What it is about.")] = None,
    words: Annotated[int | None, typer.Option(min=WORDS_MIN, max=WORDS_MAX)] = None,
    style: Style = None,
    seed: Seed = None,
    out: Out = Path("out"),
    as_json: AsJson = False,
    batch: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file with a topic a line.")
    ] = None,
    opening: Annotated[
        str | None, typer.Option(metavar="TEXT|@FILE", help="A text that the essay goes on from.")
    ] = None,
) -> None:
    """Write an essay about TOPIC, or going on from a text, or one about each line of a file."""
    if batch is not None and opening is not None:
        raise typer.BadParameter("Give either --batch FILE or --opening TEXT.")
    values = {"words": words, "style": style, "seed": seed}
    try:
        text = None if opening is None else inputs.opening(opening)
    except Unusable as error:
        _refuse(_ask("essay", {"topic": topic, **values}), error, as_json)
    if topic is None and text is not None:
        topic = topic_of(text)
    if (topic is None) == (batch is None):
        raise typer.BadParameter("Give either a topic or --batch FILE.")
    topics = [topic] if batch is None else inputs.topics(batch)
    asks = [_ask("essay", {"topic": each, **values, "opening": text}) for each in topics]
    show = Quiet() if as_json or batch is not None else Writing()
    guarded(lambda settings: _make(settings, asks, out, show, as_json))


@app.command()
def beat(
    style: Style = None,
    bpm: Annotated[int | None, typer.Option(min=BPM_MIN, max=BPM_MAX)] = None,
    bars: Annotated[int | None, typer.Option(min=BARS_MIN, max=BARS_MAX)] = None,
    key: Annotated[str | None, typer.Option(help="For example “C minor”.")] = None,
    energy: Annotated[
        str | None, typer.Option(metavar="|".join(Energy), help="How much goes on.")
    ] = None,
    seed: Seed = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Seeds count up from --seed.")] = 1,
    audio: Annotated[AudioFormat, typer.Option("--format")] = AudioFormat.MP3,
    sample: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A MIDI or audio file to play around."),
    ] = None,
    out: Out = Path("out"),
    as_json: AsJson = False,
) -> None:
    """Make a beat, or several."""
    values = {"style": style, "bpm": bpm, "bars": bars, "key": key}
    values |= {"energy": energy, "format": audio.value}
    seeds = [None if seed is None else (seed + n) % SEED_LIMIT for n in range(count)]
    try:
        given = None if sample is None else inputs.sample(sample)
    except Unusable as error:
        _refuse(_ask("beat", {**values, "seed": seed}), error, as_json)
    asks = [_ask("beat", {**values, "seed": each}, given) for each in seeds]
    if as_json or count > 1:
        guarded(lambda settings: _make(settings, asks, out, Quiet(), as_json))
    else:
        with Bar("Beat") as bar:
            guarded(lambda settings: _make(settings, asks, out, bar, as_json))


@app.command()
def album(
    title: Annotated[str, typer.Argument(help="What it is called.")],
    tracks: Annotated[int | None, typer.Option(min=TRACKS_MIN, max=TRACKS_MAX)] = None,
    style: Style = None,
    seed: Seed = None,
    out: Out = Path("out"),
    as_json: AsJson = False,
) -> None:
    """Make a whole album called TITLE."""
    asks = [_ask("album", {"title": title, "tracks": tracks, "style": style, "seed": seed})]
    if as_json:
        guarded(lambda settings: _make(settings, asks, out, Quiet(), as_json))
    else:
        with Bar("Album") as bar:
            guarded(lambda settings: _make(settings, asks, out, bar, as_json))


@app.command()
def demo(out: Out = Path("out")) -> None:
    """Write one essay and make one beat, with everything between request and file in use."""
    guarded(lambda settings: _demo(settings, out))


@app.command(name="migrate")
def migrate_database() -> None:
    """Bring the database to the newest version."""

    async def act(settings: Settings) -> int:
        typer.echo(f"The database is at version {await migrate(settings.database)}.", err=True)
        return FINE

    guarded(act)


@app.command()
def run() -> None:
    """Connect to Discord and serve."""
    settings = settings_or_end()
    need_token(settings)
    from bot.app import run as serve  # everything above works without Discord's library

    async def act(settings: Settings) -> int:
        await migrate(settings.database)
        return await serve(settings)

    guarded(act, settings)


@app.command()
def sync(
    guild: Annotated[int | None, typer.Option(help="One server only, at once; for trying.")] = None,
) -> None:
    """Register the commands with Discord."""
    settings = settings_or_end()
    need_token(settings)
    from bot.commands.sync import sync as register

    guarded(lambda settings: register(settings, guild), settings)


@app.command()
def doctor() -> None:
    """Check everything the bot needs, and say what to do."""
    from bot.health import doctor as examine

    guarded(examine, settings_or_end())


async def _make(
    settings: Settings, asks: Sequence[Ask], out: Path, show: Show, as_json: bool
) -> int:
    """Send every request in; print each end in order; return the exit code."""
    ends = []
    async with (
        workshop(settings, out, at_once=len(asks)) as shop,
        aclosing(shop.make_all(asks, show)) as finished,
    ):
        async for end in finished:
            _tell(end, as_json)
            ends.append(end)
    show.check()
    return _code(ends)


async def _demo(settings: Settings, out: Path) -> int:
    typer.echo("Starting the models …\n", err=True)
    async with workshop(settings, out) as shop:
        writing = Writing()
        essay = await shop.make(_ask("essay", DEMO_ESSAY), writing)
        _tell(essay, as_json=False)
        typer.echo("", err=True)
        with Bar("Beat") as bar:
            beat = await shop.make(_ask("beat", DEMO_BEAT), bar)
        _tell(beat, as_json=False)
    writing.check()
    return _code([essay, beat])


def _code(ends: Sequence[Finished]) -> int:
    if all(end.wrong for end in ends):
        return WRONG  # none of it could ever be made
    return FAILED if any(end.result is None for end in ends) else FINE


def _refuse(ask: Ask, reason: Unusable, as_json: bool) -> NoReturn:
    """Tell that a request ends before it was one."""
    _tell(Finished(ask, sentence=str(reason)), as_json)
    raise typer.Exit(WRONG) from reason


def _tell(end: Finished, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(end.report(), ensure_ascii=False))
    if end.sentence is not None:
        typer.echo(end.sentence, err=True)
    elif not as_json:
        typer.echo(f"\n{_summary(end)}", err=True)


def _summary(end: Finished) -> str:
    facts = end.report()
    named = ("title", "style", "bpm", "key", "energy", "seed", "model_version", "note")
    told = [f"{name.replace('_', ' ')}: {facts[name]}" for name in named if facts.get(name)]
    tracks = [
        f"  {track['number']:2} {track['title']} · {track['bpm']} bpm · {track['key']}"
        for track in facts.get("tracks", ())
    ]
    return "\n".join([" · ".join(told), *tracks, *(f"  {path}" for path in facts["files"])])


def _ask(kind: Any, values: Mapping[str, object], sample: Sample | None = None) -> Ask:
    return Ask(kind=kind, parameters=values, user_id=NOBODY, sample=sample)
