"""A Discord on a loopback port: what no simulator inside the process can show.

A real gateway connection and real HTTP: multipart uploads, 429 with retry, dropped connections.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

APPLICATION, USER, GUILD, CHANNEL = 111, 222, 333, 444
_EPOCH = 1_420_070_400_000


def snowflake() -> str:
    """Make an id of now."""
    return str((int(time.time() * 1000) - _EPOCH) << 22 | time.monotonic_ns() % 4_000_000)


def person(user_id: int, name: str, *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": str(user_id),
        "username": name,
        "discriminator": "0",
        "global_name": name,
        "avatar": None,
        "bot": bot,
    }


def answer(body: Any, status: int = 200, **headers: str) -> web.Response:
    # discord.py wants exactly this content type, without a charset.
    headers["Content-Type"] = "application/json"
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)


class Loopback:
    """One bot, and guilds with one channel each; remembers what the bot sent."""

    def __init__(self, places: Sequence[tuple[int, int]] = ((GUILD, CHANNEL),)) -> None:
        #: The guilds there are, each with its channel.
        self.places = places
        self.sockets: list[web.WebSocketResponse] = []
        self.identified = asyncio.Event()
        self.resumed = asyncio.Event()
        self.requests: list[tuple[str, str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.messages: dict[str, dict[str, Any]] = {}  # by interaction token
        #: Registered commands, by guild; None: everywhere.
        self.commands: dict[str | None, list[dict[str, Any]]] = {}
        #: Answers to give before the usual one, by method.
        self.refusals: dict[str, list[web.Response]] = {}
        #: How many callbacks to carry out and then leave unanswered.
        self.deaf = 0
        #: What everybody may do in the guild, and what its channel says about it.
        self.permissions = 0
        self.overwrites: list[dict[str, Any]] = []
        self.guilds_hidden = False
        self._runner: web.AppRunner | None = None
        self.port = 0
        #: Where the bot connected to it tells its health.
        self.health_port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/gateway/", self._gateway)
        app.router.add_route("*", "/api/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        for socket in self.sockets:
            await socket.close()
        await self._runner.cleanup()

    # The gateway.

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 45000}, "s": None, "t": None})
        async for message in socket:
            sent = json.loads(message.data)
            if sent["op"] == 1:
                await socket.send_json({"op": 11, "d": None, "s": None, "t": None})
            elif sent["op"] == 2:
                assert sent["d"]["intents"] == 1  # guilds, and nothing privileged
                await self._welcome()
                self.identified.set()
            elif sent["op"] == 6:
                await self.emit("RESUMED", {})
                self.resumed.set()
        return socket

    async def _welcome(self) -> None:
        await self.emit(
            "READY",
            {
                "v": 10,
                "user": person(APPLICATION, "ghostwriter", bot=True),
                "guilds": [{"id": str(guild), "unavailable": True} for guild, _ in self.places],
                "session_id": "session",
                "resume_gateway_url": f"ws://127.0.0.1:{self.port}/gateway/",
                "application": {"id": str(APPLICATION), "flags": 0},
            },
        )
        for guild, channel in self.places:
            await self.emit("GUILD_CREATE", self.guild(guild, channel))

    def guild(self, guild_id: int = GUILD, channel_id: int = CHANNEL) -> dict[str, Any]:
        """Describe a guild as the gateway does; the REST route shows less."""
        everyone: dict[str, Any] = {
            "id": str(guild_id),
            "name": "@everyone",
            "permissions": str(self.permissions),
            "position": 0,
        }
        everyone |= {"color": 0, "hoist": False, "managed": False, "mentionable": False}
        everyone |= {"colors": {"primary_color": 0}, "flags": 0}
        channel: dict[str, Any] = {
            "id": str(channel_id),
            "type": 0,
            "name": "general",
            "position": 0,
        }
        channel |= {"permission_overwrites": self.overwrites, "parent_id": None, "nsfw": False}
        guild: dict[str, Any] = {
            "id": str(guild_id),
            "name": "Guild",
            "owner_id": "1",
            "roles": [everyone],
        }
        guild |= {"channels": [channel], "threads": [], "members": [], "emojis": []}
        guild |= {"stickers": [], "features": [], "member_count": 2, "premium_tier": 0}
        guild |= {"verification_level": 0, "default_message_notifications": 0, "mfa_level": 0}
        guild |= {"explicit_content_filter": 0, "nsfw_level": 0, "preferred_locale": "en-US"}
        guild |= {
            "afk_timeout": 300,
            "system_channel_flags": 0,
            "premium_progress_bar_enabled": False,
        }
        return guild

    async def emit(self, event: str, data: dict[str, Any]) -> None:
        await self.sockets[-1].send_json({"op": 0, "t": event, "s": 1, "d": data})

    async def command(
        self,
        name: str,
        *,
        locale: str = "en-US",
        place: tuple[int, int] = (GUILD, CHANNEL),
        user: int = USER,
        token: str | None = None,
        **options: Any,
    ) -> str:
        """Give a command as the user; return the interaction's token."""
        token = token or f"token-{snowflake()}"
        kinds = {str: 3, int: 4}
        given = [{"name": k, "type": kinds[type(v)], "value": v} for k, v in options.items()]
        member: dict[str, Any] = {
            "user": person(user, "alice"),
            "roles": [],
            "permissions": "0",
            "deaf": False,
        }
        member |= {"joined_at": "2026-01-01T00:00:00+00:00", "mute": False, "flags": 0}
        await self.emit(
            "INTERACTION_CREATE",
            {
                "id": snowflake(),
                "application_id": str(APPLICATION),
                "type": 2,
                "token": token,
                "version": 1,
                "data": {"id": "555", "name": name, "type": 1, "options": given},
                "guild_id": str(place[0]),
                "channel_id": str(place[1]),
                "channel": {"id": str(place[1]), "type": 0, "name": "general", "position": 0},
                "member": member,
                "locale": locale,
                "guild_locale": "en-US",
                "app_permissions": "0",
                "entitlements": [],
                "authorizing_integration_owners": {"0": str(place[0])},
                "context": 0,
                "attachment_size_limit": 10 * 2**20,
            },
        )
        return token

    # The REST routes.

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v10")
        body = await self._body(request)
        self.requests.append((request.method, path, body))
        if waiting := self.refusals.get(request.method):
            return waiting.pop(0)
        if path == "/users/@me":
            return answer(person(APPLICATION, "ghostwriter", bot=True))
        if path == "/oauth2/applications/@me":
            owner = person(1, "owner")
            about: dict[str, Any] = {
                "id": str(APPLICATION),
                "name": "g",
                "description": "",
                "summary": "",
            }
            about |= {"bot_public": True, "bot_require_code_grant": False, "owner": owner}
            return answer({**about, "verify_key": "", "flags": 0, "icon": None, "team": None})
        if path.endswith("/commands"):
            return answer(self._commands(request.method, path, body))
        if path == "/users/@me/guilds":
            return answer([{"id": str(GUILD), "name": "Guild", "icon": None}])
        if path.startswith(f"/guilds/{GUILD}"):
            if self.guilds_hidden:
                return answer({"code": 50001, "message": "Missing Access"}, 403)
            return answer(self._guild(path.split("/")[3:]))
        if path.endswith("/callback"):
            return await self._callback(request, path, body)
        if "/messages/" in path:
            token = path.split("/")[3]
            if token not in self.messages:
                return answer({"code": 10008, "message": "Unknown Message"}, 404)
            if request.method == "PATCH":
                self.messages[token] |= body
            return answer(self._message(token))
        return answer({"code": 0, "message": f"no such route: {path}"}, 501)

    def _guild(self, rest: list[str]) -> Any:
        guild = self.guild()
        if rest[:1] == ["channels"]:
            return guild["channels"]
        if rest[:1] == ["members"]:
            owner = person(APPLICATION, "ghostwriter", bot=True)
            member: dict[str, Any] = {"user": owner, "roles": []}
            member |= {"joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False}
            return {**member, "flags": 0}
        return {key: value for key, value in guild.items() if key != "channels"}

    def _commands(self, method: str, path: str, body: Any) -> Any:
        if method == "PUT":
            kept: dict[str, Any] = {
                "application_id": str(APPLICATION),
                "version": "1",
                "description": "",
            }
            guild = path.split("/")[4] if "/guilds/" in path else None
            kept |= {"guild_id": guild} if guild else {}
            self.commands[guild] = [{**kept, "id": snowflake(), **each} for each in body]
        guild = path.split("/")[4] if "/guilds/" in path else None
        return self.commands.get(guild, [])

    async def _callback(
        self, request: web.Request, path: str, body: dict[str, Any]
    ) -> web.StreamResponse:
        _, _, number, token, _ = path.split("/")
        if token in self.messages:
            return answer({"code": 40060, "message": "already acknowledged"}, 400)
        self.messages[token] = {"id": snowflake(), **body.get("data", {})}
        if self.deaf > 0 and request.transport is not None:
            self.deaf -= 1
            request.transport.abort()
        kept: dict[str, Any] = {
            "id": number,
            "type": 2,
            "response_message_id": self.messages[token]["id"],
        }
        made: dict[str, Any] = {"type": body["type"], "message": self._message(token)}
        return answer({"interaction": kept, "resource": made})

    def _message(self, token: str) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "channel_id": str(CHANNEL),
            "author": person(APPLICATION, "g", bot=True),
        }
        kept |= {"type": 0, "content": "", "timestamp": "2026-01-01T00:00:00+00:00", "tts": False}
        kept |= {"edited_timestamp": None, "mention_everyone": False, "mentions": [], "flags": 0}
        kept |= {"mention_roles": [], "pinned": False, "embeds": [], "components": []}
        sent = {k: v for k, v in self.messages[token].items() if k != "allowed_mentions"}
        return {**kept, **sent, "content": sent.get("content") or "", "attachments": []}

    async def _body(self, request: web.Request) -> Any:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            for name, part in form.items():
                if isinstance(part, web.FileField):
                    assert name.startswith("files[")
                    self.files[part.filename] = part.file.read()
            return dict(json.loads(str(form["payload_json"])))
        if request.can_read_body:
            return await request.json()
        return {}
