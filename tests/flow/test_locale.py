from __future__ import annotations

from typing import Any

import pytest

from tests.flow.fake_service import FakeService
from tests.flow.world import World, buttons

pytestmark = pytest.mark.usefixtures("env")


@pytest.mark.parametrize(
    ("locale", "waiting", "cancel", "again", "words", "refusal"),
    [
        ("de", "Du bist als Nächstes dran.", "Abbrechen", "Noch einmal", "200 Wörter", "kein Wort"),
        ("fr", "C’est bientôt ton tour", "Annuler", "Encore", "200 mots", "aucun mot"),
        ("pt-BR", "You are next.", "Cancel", "Again", "200 words", "no words"),
    ],
)
async def test_a_person_is_spoken_to_in_their_language(
    world: World,
    service: FakeService,
    client_says: dict[str, Any],
    locale: str,
    waiting: str,
    cancel: str,
    again: str,
    words: str,
    refusal: str,
) -> None:
    client_says["locale"] = locale
    service.go.clear()
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=200)
    number = world.number(result)
    assert buttons(result.response.message)[f"gw:cancel:{number}"].label == cancel
    first = next(r for r in world.env.http_requests if r.path.endswith("/callback"))
    assert first.json["data"]["embeds"][0]["description"].startswith(waiting)
    service.go.set()
    message = world.message(await world.done(number))
    assert buttons(message)[f"gw:again:{number}"].label == again
    assert words in (message.embeds[0].footer.text or "")
    refused = await world.alice.slash(world.channel, "essay", topic="123")
    assert refusal in refused.response.content


async def test_a_guilds_language_is_that_of_what_everybody_sees(
    world: World, client_says: dict[str, Any]
) -> None:
    await world.store.guilds.change(world.guild.id, locale="de")
    client_says["locale"] = "fr"
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    message = world.message(await world.done(number))
    assert buttons(message)[f"gw:again:{number}"].label == "Noch einmal"
    refused = await world.alice.slash(world.channel, "essay", topic="123")
    assert "aucun mot" in refused.response.content  # what only one person sees is in theirs
    await world.store.guilds.change(world.guild.id, locale=None)


@pytest.mark.parametrize("locale", ["de", "fr"])
async def test_every_command_answers_in_every_language(
    world: World, client_says: dict[str, Any], locale: str
) -> None:
    client_says["locale"] = locale
    number = await world.ask(world.alice, "beat", key="Bb minor", energy="full")
    message = world.message(await world.done(number))
    title = "b-Moll · Energie: voll" if locale == "de" else "si♭ mineur · énergie pleine"
    assert (message.embeds[0].title or "").endswith(title)
    for command in ("mine", "about", "privacy"):
        result = await world.alice.slash(world.channel, command)
        assert result.ephemeral and result.response.embeds[0].title
    form = await world.alice.click(message, custom_id=f"gw:edit:{number}")
    assert form.modal["title"] == ("Ein anderer Beat" if locale == "de" else "Un autre beat")


async def test_names_and_descriptions_are_registered_in_every_language(world: World) -> None:
    beat = world.env.backend.find_command("beat", None, type=1)
    essay = world.env.backend.find_command("essay", None, type=1)
    assert beat is not None and essay is not None
    assert essay["name_localizations"] == {"de": "aufsatz", "fr": "dissertation"}
    assert beat["description_localizations"] == {"de": "Einen Beat machen", "fr": "Faire un beat"}
    keys = next(o for o in beat["options"] if o["name"] == "key")["choices"]
    assert keys[0]["name_localizations"] == {"de": "C-Dur", "fr": "do majeur"}
