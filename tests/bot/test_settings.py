from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.database == "sqlite+aiosqlite:///data/ghostwriter.db"
    assert settings.token() is None and settings.generation_url is None
    assert settings.registry_dir == Path("data/registry")


def test_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("WORKERS=2\nQUEUE_LIMIT=7\nADMIN_IDS=1, 2 3\n")
    monkeypatch.setenv("WORKERS", "3")
    settings = load_settings()
    assert (settings.workers, settings.queue_limit) == (3, 7)
    assert settings.admin_ids == {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "0"), ("WORKERS", "many"), ("DEVICE", "tpu"), ("HEALTH_PORT", "70000")],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_a_postgresql_address_gets_its_driver() -> None:
    settings = load_settings(database_url="postgresql://me@host/db")
    assert settings.database == "postgresql+asyncpg://me@host/db"


def test_a_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" from-file \n")
    assert load_settings(discord_token_file=path).token() == "from-file"
    settings = load_settings(discord_token="direct", discord_token_file=path)
    assert settings.token() == "direct" and "direct" not in repr(settings)
    with pytest.raises(SettingsError, match="DISCORD_TOKEN_FILE"):
        load_settings(discord_token_file=tmp_path / "gone").token()
