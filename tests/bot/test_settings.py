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
    [
        ("WORKERS", "0"),
        ("WORKERS", "many"),
        ("DEVICE", "tpu"),
        ("HEALTH_PORT", "70000"),
        ("GENERATION_URL", "localhost:8000"),
        ("GENERATION_URL", "http://host:port"),
        ("GENERATION_URL", "http://"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_token_does_not_hide_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty: str
) -> None:
    (tmp_path / "token").write_text("from-file")
    monkeypatch.setenv("DISCORD_TOKEN", empty)
    monkeypatch.setenv("DISCORD_TOKEN_FILE", "token")
    assert load_settings().token() == "from-file"


@pytest.mark.parametrize("place", ["environment", "file"])
def test_what_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    for name in Settings.model_fields:
        if place == "environment":
            monkeypatch.setenv(name.upper(), "")
    if place == "file":
        Path(".env").write_text("".join(f"{n.upper()}=\n" for n in Settings.model_fields))
    assert load_settings().model_dump() == Settings.model_construct().model_dump()
    assert load_settings().database == "sqlite+aiosqlite:///data/ghostwriter.db"


def test_an_empty_variable_leaves_the_file_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("WORKERS=2\n")
    monkeypatch.setenv("WORKERS", "")
    assert load_settings().workers == 2


def test_a_postgresql_address_gets_its_driver() -> None:
    settings = load_settings(database_url="postgresql://me@host/db")
    assert settings.database == "postgresql+asyncpg://me@host/db"


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("postgres://me@host/db", "postgresql+asyncpg://me@host/db"),
        ("sqlite:////var/bot.db", "sqlite+aiosqlite:////var/bot.db"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite:///a.db"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_database_is_named_as_people_do(url: str, database: str) -> None:
    assert load_settings(database_url=url).database == database


def test_what_is_wrong_is_said_without_the_words_of_a_parser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ADMIN_IDS", "1, me")
    with pytest.raises(SettingsError, match="ADMIN_IDS: must be Discord user ids") as caught:
        load_settings()
    assert "int()" not in str(caught.value) and "Value error" not in str(caught.value)


def test_a_file_of_settings_that_is_no_text_is_one_sentence() -> None:
    Path(".env").write_bytes(b"DATA_DIR=caf\xe9\n")
    with pytest.raises(SettingsError, match=r"\.env is not a text in UTF-8\."):
        load_settings()


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = load_settings(
        database_url="postgresql://me@host/db", database_password_file=tmp_path / "gone"
    )
    with pytest.raises(SettingsError, match=r"DATABASE_PASSWORD_FILE: .*gone cannot be read: No"):
        _ = settings.database
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="binary is not a text"):
        load_settings(discord_token_file=binary).token()


def test_a_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" from-file \n")
    assert load_settings(discord_token_file=path).token() == "from-file"
    settings = load_settings(discord_token="direct", discord_token_file=path)
    assert settings.token() == "direct" and "direct" not in repr(settings)
    with pytest.raises(SettingsError, match="DISCORD_TOKEN_FILE"):
        load_settings(discord_token_file=tmp_path / "gone").token()
