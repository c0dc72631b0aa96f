from __future__ import annotations

import asyncio
import base64
import io
from contextlib import aclosing
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot import console
from bot.admission import Ask
from bot.console import ConsoleFrontEnd, Finished, file_stem, workshop
from bot.frontend import Result
from bot.samples import Sample
from bot.settings import Settings
from bot.store import NOBODY, Artifact, NewRequest, Request, State, Store, utc_now
from bot.terminal import Quiet, Writing
from models.contract import AlbumRequest, BeatRequest, EssayRequest
from tests.bot.doubles import Script, ScriptedClient, beat_take, essay_done
from tests.bot.store.rows import beat, essay


def ask(topic: str, seed: int = 1) -> Ask:
    return Ask(kind="essay", parameters={"topic": topic, "seed": seed}, user_id=NOBODY)


class Client(ScriptedClient):
    """A scripted client that can be opened like the real one."""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.fixture
def client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(console, "GenerationClient", lambda url: client)
    return client


@pytest.fixture
def remote(settings: Settings) -> Settings:
    return settings.model_copy(update={"generation_url": "http://service"})


async def row(settings: Settings, request_id: int) -> Request:
    store = await Store.open(settings.database)
    try:
        found = await store.requests.get(request_id)
    finally:
        await store.close()
    assert found is not None
    return found


async def test_requests_pass_the_same_door_queue_and_worker(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    async with workshop(remote, tmp_path / "out") as shop:
        end = await shop.make(ask("The sea"), Quiet())
    assert end.request is not None and end.result is not None
    stored = await row(remote, end.request.id)
    assert (stored.state, stored.origin, stored.user_id) == (State.DONE, "console", NOBODY)
    assert [path.name for path in end.files] == ["essay-the-sea-1.md", "essay-the-sea-1.docx"]
    assert (remote.artifacts_dir / str(stored.id) / "essay-1.md").read_bytes() == end.files[
        0
    ].read_bytes()


async def test_all_go_in_at_once_and_come_out_in_order(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    scripts = [Script(hold=True) for _ in range(5)]
    client.scripts = list(scripts)
    asks = [ask(f"topic {letter}") for letter in "abcde"]

    async def release() -> None:
        while client.open < 5:
            await asyncio.sleep(0.01)
        for script in reversed(scripts):
            script.gate.set()
            await asyncio.sleep(0.01)

    releasing = asyncio.create_task(release())
    async with (
        workshop(remote, tmp_path, at_once=5) as shop,
        aclosing(shop.make_all(asks, Quiet())) as ends,
    ):
        topics = [end.report()["topic"] async for end in ends]
    await releasing
    assert topics == [f"topic {letter}" for letter in "abcde"]


async def open_rows(settings: Settings) -> int:
    store = await Store.open(settings.database)
    try:
        return len(await store.requests.unfinished("console"))
    finally:
        await store.close()


async def test_leaving_early_cancels_what_is_open(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    client.scripts = [Script(hold=True)]
    async with workshop(remote, tmp_path) as shop:
        making = [asyncio.create_task(shop.make(ask("a"), Quiet())) for _ in range(2)]
        while client.open < 1 or await open_rows(remote) < 2:
            await asyncio.sleep(0.01)
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
    assert client.open == 0
    for request_id in (1, 2):
        assert (await row(remote, request_id)).state is State.CANCELLED


async def test_a_running_bot_does_not_take_console_requests(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    client.scripts = [Script(hold=True)]
    async with workshop(remote, tmp_path) as shop:
        making = [asyncio.create_task(shop.make(ask("a"), Quiet())) for _ in range(2)]
        while client.open < 1:
            await asyncio.sleep(0.01)
        store = await Store.open(remote.database)
        assert await store.requests.claim({"discord", "console"}, "the bot") is None
        await store.close()
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)


def request_of(new: NewRequest) -> Request:
    values = {field.name: getattr(new, field.name) for field in fields(NewRequest)}
    return Request(**values, id=3, state=State.RUNNING, created_at=utc_now())


@pytest.mark.parametrize(
    ("topic", "stem"),
    [
        ("The sea", "essay-the-sea-1"),
        ("../../etc/passwd", "essay-etc-passwd-1"),
        ("Ünïcode — 海", "essay-unicode-1"),
        ("海", "essay-1"),
        ("x" * 300, f"essay-{'x' * 40}-1"),
    ],
)
def test_file_names_are_plain(topic: str, stem: str) -> None:
    request = request_of(essay(0))
    parameters = request.parameters.model_copy(update={"topic": topic})
    made = essay_done(EssayRequest(request_id="1", topic="x", seed=1))
    assert file_stem(replace(request, parameters=parameters), Result(made, None, ())) == stem


async def test_results_of_the_same_name_are_both_kept(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    async def make(*topics: str) -> list[str]:
        async with workshop(remote, tmp_path, at_once=len(topics)) as shop:
            asks = [ask(topic) for topic in topics]
            async with aclosing(shop.make_all(asks, Quiet())) as ends:
                return [path.name async for end in ends for path in end.files]

    client.scripts = [Script(text="One."), Script(text="Two."), Script(text="Two.")]
    names = await make("日本の学校", "Школы")
    assert len(set(names)) == 4 == len(list(tmp_path.glob("essay-*")))
    assert len({path.read_text() for path in tmp_path.glob("*.md")}) == 2
    assert set(await make("Школы")) < set(names)  # the same again has the same name


def test_a_beat_is_reported_with_what_the_seed_chose(tmp_path: Path) -> None:
    request = request_of(beat(0))
    take = beat_take(BeatRequest(request_id="1", seed=2, bars=4))
    result = Result(None, take, (Artifact("mp3", tmp_path, "x", "0" * 64, 1),))
    report = Finished(ask("x"), request, result, (tmp_path / "a.mp3",)).report()
    assert report["bpm"] == 120 and report["key"] == "C minor" and report["loudness"] == -14.0
    assert report["energy"] is None
    assert report["files"] == [str(tmp_path / "a.mp3")] and "audio" not in report
    assert file_stem(request, result) == "beat-house-120-bpm-2"


async def test_the_first_end_counts() -> None:
    front = ConsoleFrontEnd(Path("unused"))
    request = request_of(essay(0))
    watching = asyncio.create_task(front.watch(request, Quiet()))
    await asyncio.sleep(0)
    await front.failed(request, "No.")
    await front.cancelled(request)
    assert (await watching).sentence == "No."


class Closed(io.StringIO):
    """Standard output whose reader has gone."""

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("stdout", [Closed(), None])
async def test_an_essay_is_made_though_nobody_reads_it(
    client: Client,
    remote: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stdout: io.StringIO | None,
) -> None:
    monkeypatch.setattr("bot.terminal.sys", SimpleNamespace(stdout=stdout))
    show = Writing()
    async with workshop(remote, tmp_path / "out") as shop, asyncio.timeout(20):
        end = await shop.make(ask("The sea"), show)
    assert end.sentence is None and all(path.is_file() for path in end.files)
    if stdout is not None:
        with pytest.raises(BrokenPipeError):
            show.check()


async def test_files_that_cannot_be_written_are_one_sentence(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    async with workshop(remote, tmp_path / "out") as shop, asyncio.timeout(20):
        (tmp_path / "out").rmdir()
        (tmp_path / "out").touch()
        end = await shop.make(ask("The sea"), Quiet())
    said = f"No files can be written into {tmp_path / 'out'}: Not a directory."
    assert end.sentence == said and not end.wrong and end.request is not None
    assert (await row(remote, end.request.id)).state is State.EXPIRED


def test_a_text_that_begins_anew_is_not_printed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    writing = Writing()
    for so_far in ("One ", "One two ", "One ", "One two ", "One two three."):
        writing.text(so_far)
    assert stream.getvalue() == "One two three."
    writing.text("Other.")
    assert stream.getvalue() == "One two three.\n\nOther."


async def test_an_album_tells_its_tracks_and_leaves_its_files(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    wanted = Ask(
        kind="album", parameters={"title": "Näïve Days", "tracks": 3, "seed": 4}, user_id=0
    )
    async with workshop(remote, tmp_path) as shop:
        end = await shop.make(wanted, Quiet())
    names = [f"album-naive-days-4.{kind}" for kind in ("mp3", "png", "zip")]
    assert [path.name for path in end.files] == names
    assert (tmp_path / names[2]).read_bytes() == b"archive"
    report = end.report()
    assert (report["title"], report["seed"]) == ("Näïve Days", 4)
    assert [track["number"] for track in report["tracks"]] == [1, 2, 3]
    assert "archive" not in report and report["files"] == [str(path) for path in end.files]
    asked = client.asked[0]
    assert isinstance(asked, AlbumRequest) and asked.max_bytes is None


async def test_a_beat_from_the_terminal_takes_a_sample(
    client: Client, remote: Settings, tmp_path: Path
) -> None:
    given = Sample("tune.mid", "mid", b"MThd...")
    wanted = Ask(kind="beat", parameters={"seed": 4}, user_id=NOBODY, sample=given)
    async with workshop(remote, tmp_path) as shop:
        end = await shop.make(wanted, Quiet())
    asked = client.asked[0]
    assert isinstance(asked, BeatRequest) and asked.sample is not None
    assert base64.b64decode(asked.sample) == b"MThd..."
    assert not any("sample" in path.name for path in end.files)
