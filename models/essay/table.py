"""The slots of one version: the memories of all its essays, stepped together.

Every essay owns, for each of its voices (the topic's, and with guidance one that does not know the
topic), an anchor row and a row a candidate. A part is fed to the anchors; then the candidates start
from there and are stepped until all are done. A step changes nothing until all its numbers are
there, so one that fails may be tried again with fewer essays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.essay.grammar import mask_stack
from models.essay.kernel import Kernel, exact_buckets, padded
from models.essay.parts import Candidate, Fed, Part
from models.essay.prompt import condition_arrays, remaining_bucket
from models.essay.sampling import Draw, draw, forbid, guided
from models.essay.writer import Draft, Tools

VETOES = 12  # times a row draws again at most after a token that spells no word
FELT_ROWS = 8  # equal rows computed for one condition
FELT = 192  # conditions remembered for each slot


class BrokenStep(Exception):
    """The model gave no usable numbers for an essay."""


@dataclass
class Seat:
    """One essay at its place in the table."""

    slot: int
    draft: Draft
    voices: list[_Voice]
    felt: dict[tuple[bool, int, int], int] = field(default_factory=dict)
    candidates: Sequence[Candidate] = ()
    luck: np.ndarray | None = None  # (candidates, steps)
    temperature: float = 0.0
    late: int = 0  # steps since half of the candidates were done
    fresh: bool = False  # the candidates start from the anchor at the next draw
    failed: Exception | None = None

    @property
    def working(self) -> list[int]:
        """List the candidates still being drawn."""
        return [n for n, candidate in enumerate(self.candidates) if not candidate.done]

    def take(self, n: int, token: int, logp: float, gain: float) -> None:
        """Hand a drawn token to a candidate."""
        if not math.isfinite(logp):
            raise BrokenStep(f"no usable numbers for token {token}")
        candidate = self.candidates[n]
        if candidate.done:  # it was stuck: nothing was left to draw
            return
        candidate.take(token, logp, gain)
        if self.luck is not None and len(candidate.tokens) >= self.luck.shape[1]:
            candidate.give_up()

    @property
    def behind(self) -> bool:
        """Tell whether anchors have several tokens to take in."""
        return any(len(voice.feed) > 1 for voice in self.voices)

    @property
    def feeding(self) -> bool:
        """Tell whether anchors have more to take in before drawing begins."""
        return any(voice.feed for voice in self.voices)


@dataclass
class _Voice:
    """One voice of an essay: its rows and what its anchor is still to be fed."""

    bare: bool
    anchor: int
    rows: list[int]
    feed: list[Fed] = field(default_factory=list)


@dataclass(frozen=True)
class _Feed:
    """One row of a step: token, where it stands, and what it feels."""

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
        rows = 1 + slots * self.voices * (self.width + 1)  # row 0 is nobody's: padding
        device = kernel.device
        with torch.inference_mode():
            self._h, self._c = kernel.empty_state(rows)
            self._y = torch.zeros(rows, kernel.embed_size, device=device, dtype=kernel.dtype)
            self._felt = torch.zeros(
                slots * FELT, kernel.felt_size, device=device, dtype=kernel.dtype
            )
            self._masks = mask_stack(tools.lexicon, kernel.vocabulary).to(device)
            self._bias = torch.zeros(slots, kernel.vocabulary, device=device)
        self._buckets = exact_buckets(kernel, slots * self.voices * self.width)

    @property
    def size(self) -> int:
        """Count the bytes of weights and memories."""
        own = (self._h, self._c, self._y, self._felt, self._bias)
        return self.kernel.size + sum(t.nbytes for t in own)

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
            voices.append(
                _Voice(number == 1, first, list(range(first + 1, first + 1 + self.width)))
            )
        seat = Seat(slot, draft, voices)
        for voice in voices:
            self._forget(voice)
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
                self._copy(voice.rows[part.kept], [voice.anchor])
        for voice in seat.voices:
            if voice.bare and part.bare_anew:
                self._forget(voice)
            voice.feed = list(part.feed_bare if voice.bare else part.feed)
        seat.candidates = part.candidates
        seat.luck = seat.draft.luck.draws(len(part.candidates), part.steps)
        seat.temperature = part.temperature
        seat.fresh = True
        seat.late = 0
        bias = seat.draft.bias()
        self._bias[seat.slot, : len(bias)] = bias.to(self._bias.device)
        if len(seat.felt) > FELT - 64:
            seat.felt.clear()

    @torch.inference_mode()
    def advance(self, seats: Sequence[Seat]) -> None:
        """Feed one token to every row in work; changes nothing unless all goes well."""
        feeds = [feed for seat in seats for feed in self._feeds(seat)]
        if not feeds:
            return
        y, h, c = self._advance(feeds)
        index = torch.tensor([feed.row for feed in feeds], device=self.kernel.device)
        self._h[:, index], self._c[:, index], self._y[index] = h, c, y
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

    def _feeds(self, seat: Seat) -> list[_Feed]:
        """List what one essay feeds in this step."""
        if seat.feeding:
            return [
                _Feed(
                    voice.anchor, fed.token, self._place(seat, voice.bare, fed.paragraph, fed.left)
                )
                for voice in seat.voices
                for fed in voice.feed[:1]
            ]
        if seat.fresh:
            return []
        draft = seat.draft
        return [
            _Feed(
                voice.rows[n],
                seat.candidates[n].tokens[-1],
                self._place(
                    seat, voice.bare, draft.paragraph, draft.left - seat.candidates[n].written
                ),
            )
            for voice in seat.voices
            for n in seat.working
        ]

    def _place(self, seat: Seat, bare: bool, paragraph: int, left: int) -> int:
        """Find, or make, where the felt condition of a place lies."""
        key = (bare, paragraph, remaining_bucket(left))
        found = seat.felt.get(key)
        if found is None:
            condition = seat.draft.condition(paragraph, left, bare=bare)
            # Always computed for as many, so that its bits do not depend on company.
            felt = self.kernel.felt(condition_arrays([condition] * FELT_ROWS))[0]
            found = seat.felt[key] = len(seat.felt)
            self._felt[seat.slot * FELT + found] = felt
        return seat.slot * FELT + found

    def _advance(self, feeds: Sequence[_Feed]) -> tuple[Tensor, Tensor, Tensor]:
        """Run the model over rows, padded to a size that keeps every row's bits."""
        count = len(feeds)
        empty = [0] * (padded(count, self._buckets) - count)
        device = self.kernel.device
        index = torch.tensor([f.row for f in feeds] + empty, device=device)
        ids = torch.tensor([f.token for f in feeds] + empty, device=device)
        felt = torch.tensor([f.felt for f in feeds] + empty, device=device)
        y, h, c = self.kernel.step(ids, self._felt[felt], self._h[:, index], self._c[:, index])
        return y[:count], h[:, :count], c[:, :count]

    def _scores(self, rows: Sequence[int]) -> Tensor:
        """Give the log-probabilities that follow rows (R, V)."""
        count = len(rows)
        index = torch.tensor(
            [*rows, *([0] * (padded(count, self._buckets) - count))], device=self.kernel.device
        )
        return self.kernel.log_probs(self._y[index])[:count]

    def _draw(self, pairs: Sequence[tuple[Seat, int]]) -> None:
        # Candidates that only begin share their anchor's numbers: computed once.
        sources: dict[tuple[int, int], int] = {}
        rows: list[int] = []
        for seat, n in pairs:
            key = (seat.slot, -1 if seat.fresh else n)
            if key not in sources:
                sources[key] = len(rows)
                rows.append(seat.voices[0].anchor if seat.fresh else seat.voices[0].rows[n])
        bare_rows = [
            seat.voices[-1].anchor if n < 0 else seat.voices[-1].rows[n]
            for (slot, n) in sources
            for seat in [self._seats[slot]]
        ]
        scores = self._scores(rows + (bare_rows if self.voices == 2 else []))
        own, bare = scores[: len(rows)], scores[len(rows) :]
        mixed = guided(own, bare, self.tools.how.guidance) if self.voices == 2 else own
        take = torch.tensor(
            [sources[seat.slot, -1 if seat.fresh else n] for seat, n in pairs], device=own.device
        )
        tokens, stuck = self._choose(mixed[take], pairs)
        logp = own[take].gather(1, tokens.unsqueeze(1)).squeeze(1)
        gain = (
            logp - bare[take].gather(1, tokens.unsqueeze(1)).squeeze(1) if len(bare) else logp * 0
        )
        self._part({id(seat): seat for seat, _ in pairs}.values())
        for (seat, n), dead in zip(pairs, stuck.tolist(), strict=True):
            if dead:
                seat.candidates[n].give_up()
        self._deal(pairs, tokens.tolist(), logp.tolist(), gain.tolist())
        self._hurry({id(seat): seat for seat, _ in pairs}.values())

    def _choose(self, scores: Tensor, pairs: Sequence[tuple[Seat, int]]) -> tuple[Tensor, Tensor]:
        """Apply grammar, fatigue and bans, then draw (R,); also tell where nothing was left."""
        how, device = self.tools.how, scores.device
        candidates = [seat.candidates[n] for seat, n in pairs]
        masks = self._masks[torch.tensor([c.mask for c in candidates], device=device)]
        slots = torch.tensor([seat.slot for seat, _ in pairs], device=device)
        scores = scores.add_(self._bias[slots]).add_(masks)
        banned = [(r, token) for r, c in enumerate(candidates) for token in c.forbidden()]
        forbid(scores, [r for r, _ in banned], [token for _, token in banned])
        luck = [
            float(seat.luck[n, len(seat.candidates[n].tokens)]) if seat.luck is not None else 0.5
            for seat, n in pairs
        ]
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
        tokens: Sequence[int],
        logp: Sequence[float],
        gain: Sequence[float],
    ) -> None:
        """Hand the drawn tokens out; an essay that cannot take its own is marked as failed."""
        for (seat, n), token, p, g in zip(pairs, tokens, logp, gain, strict=True):
            if seat.failed is None:
                try:
                    seat.take(n, token, p, g)
                except Exception as error:
                    seat.failed = error

    def _part(self, seats: Iterable[Seat]) -> None:
        """Let candidates that begin go on from where their anchor is."""
        for seat in seats:
            if seat.fresh:
                for voice in seat.voices:
                    self._copy(voice.anchor, voice.rows[: len(seat.candidates)])
                seat.fresh = False

    def _hurry(self, seats: Iterable[Seat]) -> None:
        """Give slow candidates up once most others have long been done."""
        for seat in seats:
            if 0 < len(seat.working) <= len(seat.candidates) // 2:
                seat.late += 1
                if seat.late > self.tools.how.patience:
                    for n in seat.working:
                        seat.candidates[n].give_up()

    def _copy(self, source: int, targets: Sequence[int]) -> None:
        for memory in (self._h, self._c):
            memory[:, targets] = memory[:, source : source + 1].clone()
        self._y[targets] = self._y[source].clone()

    @torch.inference_mode()
    def _forget(self, voice: _Voice) -> None:
        for memory in (self._h, self._c):
            memory[:, voice.anchor] = 0.0
