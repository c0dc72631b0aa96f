import pytest

from bot import confined


async def test_a_process_says_how_it_ended() -> None:
    ended = await confined.ask("bot.patterns", data=b"(", seconds=20)
    assert ended == confined.Ended(3, b"")


async def test_it_hears_no_secret_and_takes_no_longer_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    ended = await confined.ask("tests.bot.mirror", data=b"", seconds=20)
    assert b"DISCORD_TOKEN" not in ended.output and b"PATH" in ended.output
    with pytest.raises(TimeoutError):
        await confined.ask("tests.bot.mirror", "sleep", data=b"", seconds=0.5)
