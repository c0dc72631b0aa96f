"""May this request enter? Yes, with its row in the queue; or one plain sentence."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from datetime import datetime

from bot.asking import (
    Ask,
    WrongValue,
    album_parameters,
    beat_parameters,
    essay_parameters,
    seed_of,
)
from bot.files import Shelf
from bot.filters import blocked, typed
from bot.outlook import Forecast, Outlook
from bot.own_styles import own_style
from bot.parameters import (
    AlbumParameters,
    BeatParameters,
    EssayParameters,
    Parameters,
    size_of,
)
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import NOBODY, Artifact, GuildSettings, NewRequest, Request, Standing, Store, utc_now
from bot.styles import Styles
from models.contract import BARS_MAX, WORDS_MAX
from models.registry import Registry

__all__ = ["Admission", "Admitted", "Ask", "Refused"]


@dataclass(frozen=True)
class Admitted:
    """The request waits in the queue."""

    request: Request
    outlook: Outlook


@dataclass(frozen=True)
class Refused:
    """The request does not enter, and why."""

    sentence: Sentence


class Admission:
    """The door. Everything it asks is local, so it answers well within a second."""

    def __init__(
        self, store: Store, styles: Styles, settings: Settings, forecast: Forecast | None = None
    ) -> None:
        self._store = store
        self._styles = styles
        self._settings = settings
        self._registry = Registry(settings.registry_dir)
        self._shelf = Shelf(settings.artifacts_dir)
        self._forecast = forecast or Forecast(store, settings.workers)
        # Two clicks at once must not both find the last free place.
        self._door = asyncio.Lock()

    async def admit(self, ask: Ask) -> Admitted | Refused:
        """Check a request in this order: values, place, wording, room, quotas; then queue it."""
        guild = await self._store.guilds.get(ask.guild_id)
        try:
            parameters = await self._checked(ask, guild)
            seed = seed_of(ask.parameters.get("seed"))
        except WrongValue as wrong:
            return Refused(wrong.sentence)
        async with self._door:
            refusal = await self._refuse_now(ask, parameters, guild)
            if refusal is not None:
                return Refused(refusal)
            request = await self._create(ask, parameters, seed)
        if ask.user_id == NOBODY:  # a batch may be long, and nobody reads places there
            return Admitted(request, Outlook(0, None))
        return Admitted(request, await self._forecast.of(request))

    async def refusal(self, ask: Ask) -> Sentence | None:
        """Say why a request would not enter as things are, before its file is brought."""
        guild = await self._store.guilds.get(ask.guild_id)
        try:
            parameters = await self._checked(ask, guild)
        except WrongValue as wrong:
            return wrong.sentence
        return await self._refuse_now(ask, parameters, guild)

    async def _checked(self, ask: Ask, guild: GuildSettings) -> Parameters:
        """Check values, place and wording; raise WrongValue."""
        parameters = await self._styled(ask, guild)
        refusal = _refuse_here(ask, parameters, guild)
        if refusal is None and await blocked(guild, *typed(parameters)):
            refusal = Sentence("filtered_prompt")
        if refusal is not None:
            raise WrongValue(refusal)
        return parameters

    async def _create(self, ask: Ask, parameters: Parameters, seed: int) -> Request:
        new, sample = _new(ask, parameters, seed), ask.sample
        if sample is None:
            return await self._store.requests.create(new)

        async def keep(request_id: int) -> tuple[Artifact, ...]:
            return (await self._shelf.add_sample(request_id, sample),)

        return await self._store.requests.create(new, keep)

    async def _styled(self, ask: Ask, guild: GuildSettings) -> Parameters:
        """Check the values; a style that a guild taught stands for a version of its own."""
        style = await own_style(ask, guild, self._store, self._registry)
        if style is None:
            return self._parameters(ask, guild)
        plain = replace(ask, parameters={**ask.parameters, "style": None})
        unstyled = guild.model_copy(update={"essay_style": None, "beat_style": None})
        parameters = self._parameters(plain, unstyled)
        return parameters.model_copy(update={"style": style.name, "version": style.live})

    def _parameters(self, ask: Ask, guild: GuildSettings) -> Parameters:
        if ask.kind == "essay":
            return essay_parameters(
                ask.parameters,
                self._styles,
                style=guild.essay_style,
                words_max=guild.words_max or WORDS_MAX,
            )
        if ask.kind == "album":
            return album_parameters(ask.parameters, self._styles, style=guild.beat_style)
        return beat_parameters(
            ask.parameters,
            self._styles,
            style=guild.beat_style,
            bars_max=guild.bars_max or BARS_MAX,
            sample=ask.sample,
        )

    async def _refuse_now(
        self, ask: Ask, parameters: Parameters, guild: GuildSettings
    ) -> Sentence | None:
        if ask.user_id == NOBODY:
            return None
        asked, settings = self._store.requests.standing, self._settings
        now = await asked(ask.origin, ask.user_id, ask.guild_id, _midnight(utc_now()))
        if now.queued >= settings.queue_limit:
            minutes = await self._minutes(ask.origin)
            return Sentence("queue_full", count=now.queued, minutes=minutes)
        if now.open >= settings.user_open_limit:
            return Sentence("user_open", count=now.open)
        cost = parameters.tracks if isinstance(parameters, AlbumParameters) else 1
        return self._refuse_quota(ask, cost, guild, now) or _refuse_hurry(guild, now)

    def _refuse_quota(
        self, ask: Ask, cost: int, guild: GuildSettings, now: Standing
    ) -> Sentence | None:
        """Keep to what a day allows; a record costs as many requests as it has tracks."""
        limit = self._settings.user_daily_limit
        if now.today + cost > limit:
            return _used_up("user_daily", limit, now.today)
        if ask.guild_id is None:
            return None
        limit = min(guild.user_daily_limit or limit, limit)
        if now.today_here + cost > limit:
            return _used_up("user_daily", limit, now.today_here)
        limit = self._settings.guild_daily_limit
        limit = min(guild.daily_limit or limit, limit)
        if now.guild_today + cost > limit:
            return _used_up("guild_daily", limit, now.guild_today)
        return None

    async def _minutes(self, origin: str) -> int:
        """Say in how many minutes a tenth of the queue should be gone."""
        etas = [o.eta for _, o in await self._forecast.all(origin) if o.eta is not None]
        return max(1, math.ceil(etas[len(etas) // 10] / 60)) if etas else 1


def _refuse_here(ask: Ask, parameters: Parameters, guild: GuildSettings) -> Sentence | None:
    """Keep to where a guild wants requests, and how large."""
    places = {ask.channel_id, ask.parent_channel_id}
    if guild.allowed_channels and not places & set(guild.allowed_channels):
        return Sentence("channel_closed")
    words = guild.words_max if isinstance(parameters, EssayParameters) else None
    bars = guild.bars_max if isinstance(parameters, BeatParameters) else None
    if words and size_of("essay", parameters) > words:
        return Sentence("guild_words", high=words)
    if bars and size_of("beat", parameters) > bars:
        return Sentence("guild_bars", high=bars)
    return None


def _refuse_hurry(guild: GuildSettings, now: Standing) -> Sentence | None:
    """Keep to the pause that a guild wants between a person's requests."""
    if not guild.cooldown_seconds or now.last_asked is None:
        return None
    left = guild.cooldown_seconds - (utc_now() - now.last_asked).total_seconds()
    return Sentence("cooldown", seconds=math.ceil(left)) if left > 0 else None


def _used_up(key: str, limit: int, used: int) -> Sentence:
    """Say that the day's requests are used; or of a record, how many tracks are left."""
    if used >= limit:
        return Sentence(key, limit=limit)
    return Sentence(f"{key}_left", left=limit - used)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _new(ask: Ask, parameters: Parameters, seed: int) -> NewRequest:
    return NewRequest(
        kind=ask.kind,
        parameters=parameters,
        seed=seed,
        origin=ask.origin,
        user_id=ask.user_id,
        guild_id=ask.guild_id,
        channel_id=ask.channel_id,
        message_id=ask.message_id,
        interaction_token=ask.interaction_token,
        token_expires_at=ask.token_expires_at,
        upload_limit=ask.upload_limit,
        locale=ask.locale,
        parent_id=ask.parent_id,
        reserved_for=ask.reserved_for,
    )
