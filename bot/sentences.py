"""The English source of every sentence the rooms behind the front ends say.

A :class:`Sentence` is its English text, so it can be stored, logged and shown as it is; it also
keeps its key and values, so that a front end may say it in another language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from string import Formatter

ENGLISH: Mapping[str, str] = {
    # What was asked.
    "topic_missing": "Please say what the essay should be about.",
    "topic_long": "That topic is too long: {limit} characters is the most.",
    "opening_long": "That text is too long to go on from: {limit} characters is the most.",
    "opening_room": "That text has {count} words already; please ask for {least} at least.",
    "topic_letters": "That topic has no words in it; please write it with letters.",
    "words_range": "An essay can have {low} to {high} words.",
    "bpm_range": "The tempo can be {low} to {high} beats a minute.",
    "bars_range": "A beat can have {low} to {high} bars.",
    "key_unknown": "“{value}” is not a key I know; try “C major” or “F# minor”.",
    "energy_unknown": "“{value}” is not an energy I know; choose one of {choices}.",
    "format_unknown": "“{value}” is not a format I can make; choose one of {choices}.",
    "style_unknown": "There is no style called “{value}”; choose one of {choices}.",
    "title_missing": "Please say what the album should be called.",
    "title_long": "That title is too long: {limit} characters is the most.",
    "tracks_range": "An album can have {low} to {high} tracks.",
    "style_untrained": "The style “{value}” has not been trained yet.",
    "seed_range": "A seed is a whole number from 0 to {high}.",
    # Who asked, and where.
    "channel_closed": "I do not answer in this channel; this server has chosen others.",
    "guild_words": "On this server an essay can have at most {high} words.",
    "guild_bars": "On this server a beat can have at most {high} bars.",
    "filtered_prompt": "This server does not allow that wording; please put it another way.",
    "queue_full": "I have {count} requests waiting and take no more; try again in {minutes} min.",
    "user_open": "You have {count} requests open; wait until one is finished or cancel one.",
    "user_daily": "You have used today's {limit} requests; there are new ones after midnight UTC.",
    "guild_daily": "This server has used today's {limit} requests; more after midnight UTC.",
    "user_daily_left": "An album counts as one request a track, and you have {left} left today.",
    "guild_daily_left": "An album counts as one request a track; this server has {left} left.",
    "cooldown": "One moment, please: you can ask again in {seconds} s.",
    # What became of it.
    "filtered_output": "The result had wording that this server does not allow; nothing is shown.",
    "unavailable": "The models cannot be reached right now; please try again in a few minutes.",
    "lost": "I was interrupted twice while working on this; please ask again.",
    "too_old": "I was interrupted and this request had waited too long; please ask again.",
    "unexpected": "Something went wrong on my side; the reference is {reference}.",
    "nowhere": "The result is ready, but there is no place left to show it; /show {id} does.",
    "sample_gone": "The sample of this beat has been cleared away; please send it again.",
    # A training run.
    "run_busy": "A {family} training run is waiting already; one at a time.",
    "run_begun": "This training run has been started already.",
    "run_minutes": "A training run can take {low} to {high} minutes.",
    "run_empty": "There is nothing to learn from yet: the folder {folder} is empty.",
    "run_small": "There is too little to learn from: {count} documents count, {low} is the least.",
    "run_no_style": "The style of this training run has been deleted.",
    "run_gone": "There is no checkpoint of this training run to go on from; please start anew.",
    "run_changed": "The documents have changed since this training run; please start anew.",
    "run_disk": "There is not enough room on the disk for a training run.",
    "run_unstarted": "The training run could not be started.",
    "run_unbegun": "The training run was stopped before it began.",
    "run_stopped": "The training run was stopped; the model in use stays.",
    "run_promoted": "The new model is better and is in use now.",
    "run_refused": "The new model is not better, so the one in use stays.",
    "run_failed": "The training run broke off; the model in use stays.",
    "run_lost": "The training run ended while I was away; the model in use stays.",
    "run_memory": "The training run ran out of memory; the model in use stays.",
    "run_killed": "The system ended the training run, most likely because memory ran out;"
    " the model in use stays.",
    "run_nan": "The training run went astray and its numbers blew up; the model in use stays.",
    "run_unusable": "The new model {version} cannot be used, so the one before it stays.",
    "version_first": "There is no earlier version to go back to.",
    "version_unknown": "There is no version called {version}.",
    "version_damaged": "The version {version} is damaged, so it is not used.",
    # Uploaded documents.
    "upload_kind": "I can read .txt, .md, .docx and .pdf files; “{name}” is none of them.",
    "upload_big": "“{name}” is too big: {limit} MB is the most.",
    "upload_pages": "“{name}” has too many pages: {limit} is the most.",
    "upload_ratio": "“{name}” unpacks to far more than it should, so I do not open it.",
    "upload_broken": "“{name}” cannot be read; the file seems to be damaged.",
    "upload_locked": "“{name}” is protected by a password.",
    "upload_empty": "“{name}” has no text in it.",
    "sample_kind": "A sample can be .mid, .wav, .mp3, .flac or .ogg; “{name}” is none of them.",
    "sample_silent": "There is nothing to hear in “{name}”.",
    "sample_long": "“{name}” is too long: {limit} bars is the most.",
    "sample_crowded": "“{name}” has too many notes: {limit} is the most.",
    "upload_unfetched": "“{name}” could not be fetched from Discord; please send it again.",
    "upload_slow": "“{name}” took too long to read.",
    # Documents and songs for a style.
    "document_kind": "“{name}” is of a kind I cannot learn from.",
    "document_many": "“{name}” has more than {limit} files in it.",
    "document_no_notes": "“{name}” has no notes in it.",
    "document_no_text": "This style is for essays, so “{name}” is of no use to it.",
    "document_no_song": "This style is for beats, so “{name}” is of no use to it.",
    "document_short": "“{name}” has {words} words; {low} is the least.",
    "document_language": "“{name}” is not in English, and English is all I learn to write.",
    "document_twice": "“{name}” is there already.",
    "document_near": "“{name}” is nearly the same as “{other}”.",
    "document_unsure": "The list has several marks for “{name}”; please name its folder there.",
    "document_full": "This style has {limit} documents, and that is the most.",
    "document_room": "This style holds {limit} MB of documents, and that is the most.",
    "document_disk": "There is no room left on the disk for it.",
    "document_below": "Kept, but not learned from: its mark is below {low} %.",
    "document_recording": "Kept; it is turned into MIDI when the style is trained.",
}


class Sentence(str):
    """One plain sentence: the English text, with the key and values it was made from."""

    key: str
    values: Mapping[str, object]

    def __new__(cls, key: str, **values: object) -> Sentence:
        """Make the sentence of a key; raise KeyError for an unknown one."""
        sentence = super().__new__(cls, ENGLISH[key].format(**values))
        sentence.key = key
        sentence.values = values
        return sentence


def recognised(text: str) -> Sentence | None:
    """Know a sentence that was stored as its text again; None for one that is not ours."""
    for key, pattern in _patterns():
        if (match := pattern.fullmatch(text)) is not None:
            return Sentence(key, **match.groupdict())
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Make patterns of the English, those with the most words of their own first."""
    found = []
    for key, english in ENGLISH.items():
        own, pattern = 0, ""
        for words, name, _, _ in Formatter().parse(english):
            own += len(words)
            pattern += re.escape(words)
            if name is not None:
                pattern += f"(?P={name})" if f"<{name}>" in pattern else f"(?P<{name}>.*)"
        found.append((own, key, re.compile(pattern, re.DOTALL)))
    return [(key, pattern) for _, key, pattern in sorted(found, key=lambda one: -one[0])]


#: Permissions the invite link asks for: View Channels, Send Messages, Embed Links, Attach Files,
#: Read Message History.
INVITE_PERMISSIONS = 1024 + 2048 + 16384 + 32768 + 65536

TOKEN_HELP = f"""\
To connect to Discord I need the token of a bot, and there is none.

  1. Open https://discord.com/developers/applications and choose “New Application”.
  2. On its page “Bot”, press “Reset Token” and copy the token. No privileged intent is needed.
  3. Put it into the environment or into a file called .env here, and never into the code:
         DISCORD_TOKEN=the-token            or     DISCORD_TOKEN_FILE=/path/to/a/file
  4. Invite the bot with the scopes “bot” and “applications.commands” and the permissions
     View Channels, Send Messages, Embed Links, Attach Files and Read Message History:
         https://discord.com/oauth2/authorize?client_id=YOUR_APPLICATION_ID\
&scope=bot+applications.commands&permissions={INVITE_PERMISSIONS}
  5. Register the commands once, then start:
         make sync
         make run

Without Discord, everything can be tried with “make demo” or “python -m bot essay TOPIC”.
"""


class Objection(Exception):
    """A "no" from the rooms behind; ``sentence`` says why."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence
