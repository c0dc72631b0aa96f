"""One frozen settings object, read from the environment and an optional ``.env`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

#: How an address begins as people write it, and with the driver that the store uses.
_DRIVERS = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


#: What no child process must know: none of them talks to Discord or to the database.
SECRETS = ("DISCORD_TOKEN", "DISCORD_TOKEN_FILE", "DATABASE_URL", "DATABASE_PASSWORD_FILE")


class SettingsError(Exception):
    """A variable of the environment is missing or wrong; the message names it."""


class Settings(BaseSettings):
    """Everything an operator can set; names are upper case in the environment."""

    #: Who leaves a variable empty, as in ``${NAME:-}`` of compose, has not set it.
    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    discord_token: SecretStr | None = None
    discord_token_file: Path | None = Field(default=None, description="File holding the token")
    #: Discord user ids that may retrain and roll back, besides the application's owner.
    admin_ids: Annotated[frozenset[int], NoDecode] = frozenset()

    data_dir: Path = Path("data")
    database_url: str | None = Field(default=None, description="Default: SQLite in DATA_DIR")
    database_password_file: Path | None = Field(default=None, description="Kept out of the URL")
    generation_url: str | None = Field(default=None, description="Default: a local service")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    soundfont: Path | None = Field(default=None, description="Default: the one in pretty_midi")
    memory_mb: float = Field(default=1024, ge=0, description="For model versions held at once")

    workers: int = Field(default=4, ge=1, le=64, description="Requests generated at once")
    queue_limit: int = Field(default=100, ge=1)
    user_open_limit: int = Field(default=3, ge=1, description="Open requests a user may have")
    user_daily_limit: int = Field(default=100, ge=1)
    guild_daily_limit: int = Field(default=1000, ge=1)
    artifact_days: int = Field(default=30, ge=0, description="Finished files are kept; 0: ever")
    heartbeat_seconds: float = Field(default=5.0, gt=0)
    stale_seconds: float = Field(default=30.0, gt=0)

    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8080, ge=0, le=65535)
    log_json: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        """Accept ``1,2,3``; an environment has no lists."""
        if not isinstance(value, str):
            return value
        parts = value.replace(",", " ").split()
        if not all(part.isdecimal() for part in parts):
            raise ValueError("must be Discord user ids, that is numbers, with commas between them")
        return frozenset(int(part) for part in parts)

    @field_validator("generation_url")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        """Refuse what no client could ask."""
        if value is None:
            return None
        try:
            parts = urlsplit(value.strip())
            right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is no number
            right = False
        if not right:
            raise ValueError("must be an address such as http://host:8000")
        return value.strip()

    @property
    def database(self) -> str:
        """SQLAlchemy URL with an async driver."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{self.data_dir / 'ghostwriter.db'}"
        scheme, separator, rest = self.database_url.partition("://")
        url = f"{_DRIVERS.get(scheme, scheme)}{separator}{rest}"
        if self.database_password_file is None:
            return url
        password = quote(_read_secret("DATABASE_PASSWORD_FILE", self.database_password_file))
        scheme, rest = url.split("://", 1)
        user, at, place = rest.partition("@")
        if not at or ":" in user:
            raise SettingsError(
                "DATABASE_URL must name a user and no password when DATABASE_PASSWORD_FILE is set."
            )
        return f"{scheme}://{user}:{password}@{place}"

    @property
    def registry_dir(self) -> Path:
        """Where versions trained here lie."""
        return self.data_dir / "registry"

    @property
    def artifacts_dir(self) -> Path:
        """Where finished files lie."""
        return self.data_dir / "artifacts"

    @property
    def runs_dir(self) -> Path:
        """Where training runs keep their checkpoints and logs."""
        return self.data_dir / "runs"

    def corpus_dir(self, family: str) -> Path:
        """Where the documents or songs of a family are put for retraining."""
        return self.data_dir / "corpus" / family

    def token(self) -> str | None:
        """Read the bot token from its variable or its file."""
        given = self.discord_token.get_secret_value().strip() if self.discord_token else ""
        if given:
            return given
        if self.discord_token_file is not None:
            return _read_secret("DISCORD_TOKEN_FILE", self.discord_token_file) or None
        return None


def _read_secret(variable: str, path: Path) -> str:
    """Read a secret's file; raise SettingsError naming the variable."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable}: {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{variable}: {path} is not a text.") from error


def load_settings(**overrides: object) -> Settings:
    """Read the settings; raise SettingsError with the name of each wrong variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except UnicodeDecodeError as error:
        raise SettingsError("The file .env is not a text in UTF-8.") from error
    except OSError as error:
        raise SettingsError(f"The file .env cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']).upper()}: "
            f"{e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise SettingsError(f"These settings are wrong: {wrong}.") from error
