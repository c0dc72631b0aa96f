"""The slots of one version: the memories of all its essays, stepped together.

Every essay owns, for each of its voices (the topic's, and with guidance one that does not know the
topic), an anchor row and a row a candidate. A part is fed to the anchors; then the candidates start
from there and are stepped until all are done. A step changes nothing until all its numbers are
there, so one that fails may be tried again with fewer essays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.essay.grammar import Mask, mask_stack
from models.essay.kernel import Kernel
from models.essay.naming import LEAST
from models.essay.parts import Part
from models.essay.prompt import condition_arrays, remaining_bucket
from models.essay.rows import Rows
from models.essay.sampling import Draw, Wanted, draw, favour, forbid, guided, keep_plausible
from models.essay.seat import Seat, Voice
from models.essay.writer import Draft, Tools

VETOES = 12  # times a row draws again at most after a token that spells no word
FELT = 192  # conditions remembered for each slot


class _Feed(NamedTuple):
    """One row of a step: the row, the token, and the place of what it feels."""

    row: int
    token: int
    felt: int


class Table:
    """All seats of one version."""

    def __init__(self, kernel: Kernel, tools: Tools, slots: int) -> None:
        self.kernel = kernel
        self.tools = tools
        self.voices = 2 if tools.how.guided else 1
        self.width = max(tools.how.candidates, tools.how.plan_candidates)
        self._seats: dict[int, Seat] = {}
        self._free = list(range(slots - 1, -1, -1))
        with torch.inference_mode():
            self._masks = mask_stack(tools.lexicon, kernel.vocabulary).to(kernel.device)
            # For each slot, what is added inside a sentence, and to its first word.
            self._bias = torch.zeros(slots, 2, kernel.vocabulary, device=kernel.device)
        stepped = slots * self.voices
        self._rows = Rows(
            kernel,
            1 + stepped * (self.width + 1),  # row 0 is nobody's
            slots * FELT,
            stepped * self.width,
        )

    @property
    def size(self) -> int:
        """Count the bytes of weights and memories."""
        return self.kernel.size + self._rows.size + self._bias.nbytes

    @property
    def seats(self) -> list[Seat]:
        """List the essays in progress."""
        return list(self._seats.values())

    def sit(self, draft: Draft) -> Seat:
        """Give an essay a free slot."""
        slot = self._free.pop()
        base = 1 + slot * self.voices * (self.width + 1)
        voices = []
        for number in range(self.voices):
            first = base + number * (self.width + 1)
            voices.append(Voice(number == 1, first, list(range(first + 1, first + 1 + self.width))))
        seat = Seat(slot, draft, voices)
        for voice in voices:
            self._rows.forget(voice.anchor)
        with torch.inference_mode():
            self._bias[slot] = 0.0
        self._seats[slot] = seat
        return seat

    def leave(self, seat: Seat) -> None:
        """Free an essay's slot."""
        if self._seats.pop(seat.slot, None) is not None:
            self._free.append(seat.slot)

    @torch.inference_mode()
    def begin(self, seat: Seat, part: Part) -> None:
        """Lay out the next part of an essay."""
        if part.kept is not None:
            for voice in seat.voices:
                self._rows.copy(voice.rows[part.kept], [voice.anchor])
        for voice in seat.voices:
            if voice.bare and part.bare_anew:
                self._rows.forget(voice.anchor)
            voice.feed = list(part.feed_bare if voice.bare else part.feed)
        seat.candidates = part.candidates
        seat.luck = seat.draft.luck.draws(len(part.candidates), part.steps)
        seat.temperature = part.temperature
        seat.fresh = True
        seat.late = 0
        for place, bias in enumerate(seat.draft.biases()):
            self._bias[seat.slot, place, : len(bias)] = bias.to(self._bias.device)
        if len(seat.felt) > FELT - 64:
            seat.felt.clear()

    @torch.inference_mode()
    def advance(self, seats: Sequence[Seat]) -> None:
        """Feed one token to every row in work; changes nothing unless all goes well."""
        feeds = [feed for seat in seats for feed in self._feeds(seat)]
        if not feeds:
            return
        self._rows.advance(*zip(*feeds, strict=True))
        for seat in seats:
            for voice in seat.voices:
                del voice.feed[:1]

    @torch.inference_mode()
    def draw(self, seats: Sequence[Seat]) -> None:
        """Draw a token for every candidate in work whose essay has been fed."""
        pairs = [
            (seat, n)
            for seat in seats
            if seat.failed is None and not seat.feeding
            for n in seat.working
        ]
        if pairs:
            self._draw(pairs)

    def _feeds(self, seat: Seat) -> Iterator[_Feed]:
        """List what one essay feeds in this step."""
        if seat.feeding:
            for voice in seat.voices:
                for fed in voice.feed[:1]:
                    place = self._place(seat, voice.bare, fed.paragraph, fed.left)
                    yield _Feed(voice.anchor, fed.token, place)
        elif not seat.fresh:
            paragraph, left = seat.draft.paragraph, seat.draft.left
            working = [(n, seat.candidates[n]) for n in seat.working]
            for voice in seat.voices:
                for n, candidate in working:
                    place = self._place(seat, voice.bare, paragraph, left - candidate.written)
                    yield _Feed(voice.rows[n], candidate.tokens[-1], place)

    def _place(self, seat: Seat, bare: bool, paragraph: int, left: int) -> int:
        """Find, or make, where the felt condition of a place lies."""
        key = (bare, paragraph, remaining_bucket(left), paragraph in seat.draft.astray)
        found = seat.felt.get(key)
        if found is None:
            condition = seat.draft.condition(paragraph, left, bare=bare)
            # Always computed alone, so that its bits do not depend on company.
            felt = self.kernel.felt(condition_arrays([condition]))[0]
            found = seat.felt[key] = len(seat.felt)
            self._rows.feel(seat.slot * FELT + found, felt)
        return seat.slot * FELT + found

    def _draw(self, pairs: Sequence[tuple[Seat, int]]) -> None:
        # Candidates that only begin share their anchor's numbers: computed once.
        sources: dict[tuple[int, int], int] = {}
        first: list[tuple[Seat, int]] = []
        for seat, n in pairs:
            key = (seat.slot, -1 if seat.fresh else n)
            if key not in sources:
                sources[key] = len(first)
                first.append((seat, n))
        rows = [seat.row(voice, n) for voice in range(self.voices) for seat, n in first]
        scores = self._rows.scores(rows)
        own, bare = scores[: len(first)], scores[-len(first) :]
        how = self.tools.how
        mixed = guided(own, bare, how.guidance)
        if how.plausible > 0:
            keep_plausible(mixed, own, how.plausible)
        wanted = [
            Wanted(row, token, nats)
            for row, (seat, n) in enumerate(first)
            for token, nats in seat.candidates[n].favoured().items()
        ]
        favour(mixed, own, wanted, LEAST, how.plausible)
        take = torch.tensor(
            [sources[seat.slot, -1 if seat.fresh else n] for seat, n in pairs], device=own.device
        )
        if len(first) < len(pairs):
            mixed = mixed.index_select(0, take)
        tokens, stuck = self._choose(mixed, pairs)
        logp = own[take, tokens]
        gain = logp - bare[take, tokens]
        strained = logp < own.amax(1)[take] + math.log(how.plausible or 1e-9)
        seats = list({seat.slot: seat for seat, _ in pairs}.values())
        self._part(seats)
        for (seat, n), dead in zip(pairs, stuck.tolist(), strict=True):
            if dead:
                seat.candidates[n].give_up()
        drawn = zip(tokens.tolist(), logp.tolist(), gain.tolist(), strained.tolist(), strict=True)
        self._deal(pairs, drawn)
        for seat in seats:
            seat.hurry(how.patience)

    def _choose(self, scores: Tensor, pairs: Sequence[tuple[Seat, int]]) -> tuple[Tensor, Tensor]:
        """Apply grammar, fatigue and bans, then draw (R,); also tell where nothing was left."""
        how, device = self.tools.how, scores.device
        candidates = [seat.candidates[n] for seat, n in pairs]
        masks = torch.tensor([c.mask for c in candidates], device=device)
        slots = torch.tensor([seat.slot for seat, _ in pairs], device=device)
        places = 2 * slots + (masks == Mask.OPENING)
        scores = scores.add_(self._bias.flatten(0, 1).index_select(0, places))
        scores.add_(self._masks.index_select(0, masks))
        banned = [(r, token) for r, c in enumerate(candidates) for token in c.forbidden()]
        forbid(scores, [r for r, _ in banned], [token for _, token in banned])
        luck = [seat.chance(n) for seat, n in pairs]
        heat = [seat.temperature for seat, _ in pairs]
        luck_all, heat_all = torch.tensor(luck, device=device), torch.tensor(heat, device=device)
        tokens = draw(scores, Draw(luck_all, heat_all, how.min_p, how.top_p))
        bad = list(range(len(candidates)))
        for attempt in range(VETOES + 1):
            drawn = tokens.tolist()
            bad = [r for r in bad if not candidates[r].accepts(drawn[r])]
            if not bad:
                break
            if attempt == VETOES:
                scores[bad] = -math.inf
                break
            forbid(scores, bad, [drawn[r] for r in bad])
            index = torch.tensor(bad, device=device)
            again = Draw(luck_all[index], heat_all[index], how.min_p, how.top_p)
            tokens[index] = draw(scores[index], again)
        return tokens, scores.gather(1, tokens.unsqueeze(1)).squeeze(1).isneginf()

    def _deal(
        self,
        pairs: Sequence[tuple[Seat, int]],
        drawn: Iterable[tuple[int, float, float, bool]],
    ) -> None:
        """Hand the drawn tokens out; an essay that cannot take its own is marked as failed."""
        for (seat, n), (token, logp, gain, strained) in zip(pairs, drawn, strict=True):
            if seat.failed is None:
                try:
                    seat.take(n, token, logp, gain, strained=strained)
                except Exception as error:
                    seat.failed = error

    def _part(self, seats: Sequence[Seat]) -> None:
        """Let candidates that begin go on from where their anchor is."""
        for seat in seats:
            if seat.fresh:
                for voice in seat.voices:
                    self._rows.copy(voice.anchor, voice.rows[: len(seat.candidates)])
                seat.fresh = False
