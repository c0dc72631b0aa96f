"""One essay in the making: topic, outline, then sentence after sentence, each the best of several.

A draft is a generator of parts (``parts.py``). A part says what to feed and which candidates to
draw from there; whoever steps the model (``table.py``) draws them to their ends and resumes the
draft.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.contract import EssayDelta, EssayDone, EssayPlan, EssayRequest, Progress
from models.essay.associations import Associations
from models.essay.decoding import Decoding
from models.essay.judge import HOPELESS, Place, Record
from models.essay.lexicon import Lexicon, Speller, words_of
from models.essay.mending import finished
from models.essay.naming import Naming
from models.essay.opening import Opening, about, read_opening
from models.essay.parts import Fed, Part
from models.essay.plan import (
    PlanCandidate,
    fallback_plan,
    judge_plan,
    mend_plan,
    paragraph_count,
    paragraph_words,
)
from models.essay.prompt import PAR, Condition, Plan, Prompter, Wish
from models.essay.runs import Novelty, Runs
from models.essay.sampling import Fatigue, Luck
from models.essay.sentence import Room, SentenceCandidate
from models.essay.topic import Topic, read_topic

NAMING_STYLES = frozenset({"encyclopedia", "speech"})
PLAIN_RANK = 4000  # from this token on words are pulled with full strength
PLAN_STEPS = 120
OWN_LETTERS = 4  # of a topic word's first token that stand for the word, with the space
HALF_SENTENCE = 8  # words: a paragraph may end this much before its share is used up

Speak = Callable[[Progress | EssayPlan | EssayDelta], None]


@dataclass(frozen=True)
class Tools:
    """What every draft of one version shares."""

    version: str
    lexicon: Lexicon
    prompter: Prompter
    known: Associations
    directions: Tensor  # of tokens, see Associations.table
    how: Decoding
    read: Runs | None = None  # of the training essays, where the version has them


class Draft:
    """One essay; ``parts`` runs from the topic to the last full stop."""

    def __init__(self, request: EssayRequest, tools: Tools, speak: Speak) -> None:
        self.request = request
        self.tools = tools
        self.how = replace(tools.how, temperature=0.0, candidates=1, rounds=1, plan_candidates=1,
                           plan_temperature=0.0) if request.greedy else tools.how  # fmt: skip
        self.luck = Luck(request.seed)
        self.opening: Opening | None = read_opening(request.opening)
        self.topic: Topic = read_topic(request.topic)
        if self.opening is not None:
            self.topic = about(self.topic, self.opening)
        self.style = request.style or self.how.style
        self.wish = Wish(self.topic.subject, request.words, self.style, self.how.mark)
        self.paragraphs = (self.opening.paragraph_count if self.opening else paragraph_count)(
            request.words
        )
        self.paragraph = -1
        self.fatigue = Fatigue(tools.lexicon.content, self.how.fatigue, self.how.fatigue_half_life)
        self.tokens = 0  # drawn and kept
        self.written = 0  # words
        self.text = ""
        self._begun = ""  # the end of the text, where it is no whole sentence
        self.plan: EssayPlan = EssayPlan(title=self.topic.title, paragraphs=())
        self._speak = speak
        self._openers: list[int] = []  # first tokens of the last two sentences
        self._naming = Naming(self.topic.subject, self.topic.title, tools.lexicon)
        self.astray: set[int] = set()  # paragraphs whose keywords led nowhere
        self._record = Record(self.topic.subject, tools.known, self._naming.stems)
        given = self.opening.text if self.opening else ""
        self._speller = Speller(words_of(f"{self.topic.subject} {given}"))
        shy = 0.0 if self.style in NAMING_STYLES else self.how.name_shyness
        spelled = [tools.prompter.words(word) for word in self.topic.subject.split()]
        # A word's first letters alone (" a" of "aeroplanes") are mostly another word.
        own = [
            ids[0]
            for ids in spelled
            if len(ids) == 1 or len(tools.lexicon.texts[ids[0]]) > OWN_LETTERS
        ]
        self._shyness = -shy * tools.lexicon.names.float()
        self._shyness[own] = 0.0
        self._own = own
        self._pull = self._pulled((), self.how.plan_pull)

    @property
    def left(self) -> int:
        """Count the words still to come."""
        return max(0, self.request.words - self.written)

    def biases(self) -> tuple[Tensor, Tensor]:
        """Give what is added to the log-probabilities (V,) inside a sentence and at its beginning.

        Every sentence begins with a capital: shyness there would leave but "I" and "A".
        """
        opening = self.fatigue.bias() + self._pull
        return opening + self._shyness, opening

    def _pulled(self, keywords: Iterable[str], strength: float) -> Tensor:
        """Favour words that belong to the topic and, half as much, to a paragraph's keywords."""
        known, how = self.tools.known, self.how
        subject = known.mean(self.topic.subject.split())
        self._record.subject = subject
        near = self.tools.directions @ torch.from_numpy(subject + 0.5 * known.mean(keywords))
        pull = strength * (near - how.pull_from).clamp(min=0.0) / (1 - how.pull_from)
        # Frequent words ("students") come by themselves; ids are sorted by frequency.
        pull *= (torch.arange(1.0, len(pull) + 1).log() / math.log(PLAIN_RANK)).clamp(max=1.0)
        if self.paragraph < 0:  # keywords have no business far from the topic
            pull[self.tools.lexicon.content & (near < how.plan_far)] -= strength
        pull[self._own] = pull[self._own].clamp(min=strength / 3)
        return pull

    def condition(self, paragraph: int, left: int, *, bare: bool) -> Condition:
        """Give what the model feels at a place of this essay."""
        felt = self.tools.prompter.condition(
            self.wish, paragraph=paragraph, paragraphs=self.paragraphs, remaining=left
        )
        if bare:
            return felt.without_content()
        return replace(felt, keywords=()) if paragraph in self.astray else felt

    def parts(self) -> Generator[Part, None, None]:
        """Plan, then write."""
        self._speak(Progress(stage="planning", done=0.0))
        begin = yield from self._outline()
        yield from self._prose(begin)

    def done(self, seconds: float) -> EssayDone:
        """Sum the finished essay up."""
        return EssayDone(
            text=self.text,
            plan=self.plan,
            words=len(self.text.split()),
            seed=self.request.seed,
            style=self.style,
            model_version=self.tools.version,
            tokens=self.tokens,
            seconds=seconds,
            note=self.topic.note,
        )

    # ---- the outline -----------------------------------------------------------------------

    def _outline(self) -> Generator[Part, None, Part]:
        """Draw outlines, keep the best; return the beginning of the part that comes next."""
        prompter, how = self.tools.prompter, self.how
        topic_ids = self.tools.prompter.words(self.topic.subject)
        outlines = [
            PlanCandidate(self.tools.lexicon, self._speller, self.paragraphs, topic_ids)
            for _ in range(how.plan_candidates)
        ]
        yield Part(
            outlines, PLAN_STEPS, how.plan_temperature,
            feed=self._prefix(prompter.prefix(self.wish, open_plan=True)),
            feed_bare=self._prefix(prompter.prefix(replace(self.wish, topic=""), open_plan=True)),
        )  # fmt: skip
        scores = [judge_plan(outline, self.topic.subject, self.tools.known) for outline in outlines]
        best: int = max(range(len(outlines)), key=scores.__getitem__)
        kept: int | None
        bare = self._prefix(prompter.prefix(replace(self.wish, topic="")))
        drawn = outlines[best].keywords()
        sound = outlines[best].ended and all(drawn)
        plan = self._mended(drawn if sound else fallback_plan(self.topic.subject, self.paragraphs))
        if sound and plan == drawn:
            tail, kept = outlines[best].tokens[-1:], best
        else:  # tell the model the outline that it did not find itself
            tail, kept = [*prompter.plan_ids(plan)[1:], prompter.ids["<text>"]], None
        self.wish = replace(self.wish, plan=plan)
        self.plan = EssayPlan(title=self.topic.title, paragraphs=plan)
        self.fatigue.spare(
            [*topic_ids, *(t for words in plan for word in words for t in prompter.words(word))]
        )
        self._speak(self.plan)
        fed = self._prefix(tail)
        # <text> belongs to the first paragraph already.
        first = (*fed[:-1], replace(fed[-1], paragraph=0))
        bare = (*bare[:-1], replace(bare[-1], paragraph=0))
        return Part((), 0, 0.0, feed=first, feed_bare=bare, bare_anew=True, kept=kept)

    def _mended(self, plan: Plan) -> Plan:
        tools = self.tools
        plan = mend_plan(plan, self.topic.subject, tools.lexicon, tools.directions, self.luck)
        return self.opening.outline(plan) if self.opening else plan

    def _prefix(self, ids: Sequence[int]) -> tuple[Fed, ...]:
        return tuple(Fed(token, -1, self.request.words) for token in ids)

    # ---- the text --------------------------------------------------------------------------

    def _prose(self, begin: Part) -> Generator[Part, None, None]:
        """Write sentence after sentence; ``begin`` leads to the first."""
        if self.opening is None:
            share, inside = self._open_paragraph(), 0
        else:
            share, inside, fed = self._take_over(self.opening)
            begin = replace(begin, feed=(*begin.feed, *fed), feed_bare=(*begin.feed_bare, *fed))
        for _ in range(self.request.words):
            room = Room.make(
                self.written, self.request.words, self.paragraphs - 1 - self.paragraph, self.how
            ).beyond(len(self._begun.split()))
            place = Place(not self.text, inside == 0, self._closing and self.paragraphs > 1)
            drafts, best = yield from self._best_sentence(begin, room, place)
            draft = drafts[best]
            if not draft.tokens:  # nothing could begin here: it may begin like those before
                self._openers, begin = [], Part((), 0, 0.0)
                continue
            self._keep(draft, room, new_paragraph=inside == 0 and self.paragraph > 0)
            inside += draft.written
            if self._finished(room, draft):
                return
            fed = [Fed(draft.tokens[-1], self.paragraph, self.left)]
            if not draft.ended:
                fed.append(Fed(self.tools.lexicon.full_stop, self.paragraph, self.left))
            if self._fills(share, inside):
                share, inside = self._open_paragraph(), 0
                fed.append(Fed(self.tools.prompter.ids[PAR], self.paragraph, self.left))
            begin = Part((), 0, 0.0, feed=tuple(fed), feed_bare=tuple(fed), kept=best)

    def _take_over(self, opening: Opening) -> tuple[int, int, list[Fed]]:
        """Begin with a given text: remember it like one's own, and give it to be fed.

        Returns the share of the paragraph that goes on, its whole words so far, and what to feed.
        """
        self._speak(EssayDelta(text=opening.text))
        fed: list[Fed] = []
        share = 0
        for number, (sentences, block) in enumerate(
            zip(opening.paragraphs, opening.blocks, strict=True)
        ):
            if self.paragraph < self.paragraphs - 1:
                share = self._open_paragraph()
            if number:
                fed.append(Fed(self.tools.prompter.ids[PAR], self.paragraph, self.left))
            fed += self._read(block)
            for sentence in sentences:
                self._record.add(sentence, words_of(sentence))
            self.written += len(" ".join(sentences).split())
        self.text, self._begun = opening.text, opening.begun
        inside = len(" ".join(opening.paragraphs[-1]).split())
        if not opening.begun and self._fills(share, inside):
            share, inside = self._open_paragraph(), 0
            fed.append(Fed(self.tools.prompter.ids[PAR], self.paragraph, self.left))
        return share, inside, fed

    def _read(self, block: str) -> list[Fed]:
        """Turn a given paragraph into what is fed of it."""
        lexicon = self.tools.lexicon
        tokens = lexicon.encode(f" {block}")
        self.fatigue.use(tokens)
        words, fed = 0, []
        for token in tokens:
            words += bool(lexicon.begins[token])
            fed.append(Fed(token, self.paragraph, self.left - words))
        return fed

    def _fills(self, share: int, inside: int) -> bool:
        """Tell whether the next paragraph should begin after ``inside`` words of this one."""
        return self.paragraph < self.paragraphs - 1 and inside >= share - HALF_SENTENCE

    @property
    def _closing(self) -> bool:
        return self.paragraph == self.paragraphs - 1

    def _open_paragraph(self) -> int:
        """Move to the next paragraph; give its share of the words."""
        self.paragraph += 1
        keywords = self.plan.paragraphs[self.paragraph : self.paragraph + 1]
        self._record.begin_paragraph(keywords[0] if keywords else ())
        self._pull = self._pulled(keywords[0] if keywords else (), self.how.pull)
        return paragraph_words(self.left, self.paragraph, self.paragraphs)

    def _best_sentence(
        self, begin: Part, room: Room, place: Place
    ) -> Generator[Part, None, tuple[list[SentenceCandidate], int]]:
        """Draw candidates, again while all are hopeless; return the last ones and the best."""
        how, record, novelty = self.how, self._record, self._novelty()
        rounds = 2 * how.rounds if room.final and how.rounds > 1 else how.rounds
        for round_number in range(rounds):
            drafts = [
                SentenceCandidate(
                    self.tools.lexicon,
                    self._speller,
                    record.book,
                    room,
                    how.sentence_tokens,
                    self._openers,
                    self._begun,
                    novelty,
                    self._naming,
                    record.unnamed,
                )
                for _ in range(how.candidates)
            ]
            part = begin if round_number == 0 else Part((), 0, 0.0)
            yield replace(
                part, candidates=drafts, steps=how.sentence_tokens, temperature=how.temperature
            )
            scores = [record.score(draft, room, place, how) for draft in drafts]
            best = max(range(len(drafts)), key=scores.__getitem__)
            if scores[best] > HOPELESS:
                break
            self.astray.add(self.paragraph)
        return drafts, best

    def _novelty(self) -> Novelty | None:
        """Say what keeps the next sentence from copying."""
        read, longest = self.tools.read, self.how.longest_copy
        if read is None or not longest:
            return None
        return Novelty(read, longest, self.text[: len(self.text) - len(self._begun)])

    def _keep(self, draft: SentenceCandidate, room: Room, *, new_paragraph: bool) -> None:
        """Add a sentence to the essay and send it off."""
        gap = "" if not self.text or draft.begun else "\n\n" if new_paragraph else " "
        piece = gap + finished(draft, room.most)
        self._record.add(draft.text, draft.words)
        self._openers = [*self._openers[-1:], draft.tokens[0]]
        self.fatigue.use(draft.tokens)
        self.tokens += len(draft.tokens)
        self.text, self._begun = self.text + piece, ""
        self.written = len(self.text.split())
        self._speak(EssayDelta(text=piece))
        self._speak(Progress(stage="writing", done=min(1.0, self.written / self.request.words)))

    def _finished(self, room: Room, draft: SentenceCandidate) -> bool:
        words = draft.written if draft.ended else room.left - self.left
        return room.closing and (room.ends(words) or self.left < ROOM_AT_ALL)


ROOM_AT_ALL = 4  # words: nothing can be said in fewer
