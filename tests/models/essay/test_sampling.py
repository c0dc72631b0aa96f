from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.essay import sampling
from models.essay.sampling import (
    ABSURD,
    Draw,
    Fatigue,
    Luck,
    PhraseBook,
    Wanted,
    draw,
    favour,
    forbid,
    guided,
    keep_plausible,
)


def how(
    luck: list[float], temperature: float = 1.0, min_p: float = 0.0, top_p: float = 1.0
) -> Draw:
    return Draw(torch.tensor(luck), torch.full((len(luck),), temperature), min_p, top_p)


def test_draws_follow_the_distribution() -> None:
    shares = torch.tensor([0.5, 0.2, 0.2, 0.1])
    luck = [(n + 0.5) / 1000 for n in range(1000)]
    drawn = draw(shares.log().expand(1000, 4), how(luck))
    counts = torch.bincount(drawn, minlength=4) / 1000
    assert torch.allclose(counts, shares, atol=0.002)


def test_extreme_luck_never_draws_what_is_forbidden() -> None:
    scores = torch.tensor([[-math.inf, -1.0, -math.inf, -2.0, -math.inf]]).repeat(2, 1)
    assert draw(scores, how([0.0, 1 - 1e-9])).tolist() == [1, 3]


def test_min_p_cuts_the_tail_before_the_temperature_lifts_it() -> None:
    scores = torch.tensor([0.6, 0.35, 0.05]).log().repeat(100, 1)
    luck = [(n + 0.5) / 100 for n in range(100)]
    drawn = draw(scores, how(luck, temperature=5.0, min_p=0.1))
    assert set(drawn.tolist()) == {0, 1}


def test_top_p_keeps_the_token_that_crosses_the_border() -> None:
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().repeat(200, 1)
    luck = [(n + 0.5) / 200 for n in range(200)]
    assert set(draw(scores, how(luck, top_p=0.6)).tolist()) == {0, 1}
    assert set(draw(scores, how(luck, top_p=0.4)).tolist()) == {0}


def test_zero_temperature_takes_the_most_likely() -> None:
    scores = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw(scores, how([0.9] * 5, temperature=0.0)), scores.argmax(1))


def test_rows_do_not_touch_each_other() -> None:
    scores = torch.randn(7, 500, generator=torch.Generator().manual_seed(1))
    luck = [0.1 * n for n in range(1, 8)]
    together = draw(scores, how(luck, 0.8, 0.02, 0.9))
    alone = [int(draw(scores[n : n + 1], how([luck[n]], 0.8, 0.02, 0.9))) for n in range(7)]
    assert together.tolist() == alone


def test_both_ways_of_picking_pick_the_same() -> None:
    generator = torch.Generator().manual_seed(2)
    scores = 3 * torch.randn(40, 900, generator=generator)
    peak = scores.amax(1, keepdim=True)
    luck, heat = torch.rand(40, 1, generator=generator), torch.full((40, 1), 0.7)
    for min_p in (0.5, 0.1, 1e-9):
        told = (scores, peak, peak + math.log(min_p), heat, luck)
        assert torch.equal(sampling._picked(*told), sampling._picked_there(*told))


def test_forbid_rules_out_single_tokens_of_single_rows() -> None:
    scores = torch.zeros(2, 3)
    forbid(scores, [0, 1], [2, 0])
    assert scores.isinf().tolist() == [[False, False, True], [True, False, False]]
    forbid(scores, [], [])


def test_guidance_widens_the_difference() -> None:
    own, bare = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-2.0, -2.0]])
    assert guided(own, bare, 1.5).tolist() == [[-0.5, -2.0]]
    assert torch.equal(guided(own, bare, 1.0), own)


def test_guidance_lifts_nothing_that_the_knowing_voice_finds_absurd() -> None:
    own = torch.tensor([[0.5, 0.3, 0.001, 0.199]]).log()
    bare = torch.tensor([[0.5, 0.3, 1e-9, 0.2]]).log()
    mixed = guided(own, bare, 1.5)
    assert int(mixed.argmax()) == 2
    keep_plausible(mixed, own, 0.02)
    assert int(draw(mixed, how([0.999]))) == 3
    forbid(mixed, [0, 0, 0], [0, 1, 3])
    assert int(draw(mixed, how([0.5]))) == 2, "where nothing plausible is left the rest is there"


def test_what_is_wanted_need_not_be_plausible_but_likely_enough() -> None:
    own = torch.tensor([[0.9, 0.09, 0.009, 0.001]]).log()
    mixed = own.clone()
    keep_plausible(mixed, own, 0.03)
    favour(mixed, own, [Wanted(0, 2, 2.0), Wanted(0, 3, 2.0)], 0.005, 0.03)
    assert float(mixed[0, 2]) == pytest.approx(float(own[0, 2]) + 2.0, abs=1e-4)
    assert float(mixed[0, 3]) < -ABSURD, "far too unlikely"
    favour(mixed, own, [Wanted(0, 3, 100.0)], 0.005, 0.03)
    assert int(mixed.argmax()) == 3, "what is forced needs nothing"


def test_luck_belongs_to_the_seed() -> None:
    one, same, other = Luck(7), Luck(7), Luck(8)
    first = one.draws(4, 9)
    assert np.array_equal(first, same.draws(4, 9))
    assert not np.array_equal(first, other.draws(4, 9))
    assert not np.array_equal(first, one.draws(4, 9))
    assert ((first >= 0) & (first < 1)).all()


def test_luck_spreads_the_first_draw_over_candidates() -> None:
    first = Luck(3).draws(8, 5)[:, 0]
    assert sorted(int(x * 8) for x in first) == list(range(8))


def test_fatigue_fades_and_spares() -> None:
    fatigue = Fatigue(torch.tensor([True, True, False, True]), strength=2.0, half_life=10)
    fatigue.spare([3])
    fatigue.use([0, 2, 3])
    assert fatigue.bias().tolist() == pytest.approx([-2.0, 0.0, 0.0, -1.4])
    fatigue.use([2] * 10)
    assert fatigue.bias()[0].item() == pytest.approx(-1.0)


def test_phrase_book_knows_what_would_repeat() -> None:
    book = PhraseBook()
    book.add(["the", "cat", "sat", "on", "the", "mat"])
    assert book.completions(["the", "cat", "sat"]) == {"on"}
    assert book.completions(["cat", "sat"]) == set()
    book.add(["and", "the", "cat"])
    assert book.completions(["sat"]) == {"on"}
    assert book.repeats(["sat", "on", "it"]) == 1
    assert book.repeats(["slept", "on", "it"]) == 0


def test_phrase_book_sees_repeats_inside_the_new_words() -> None:
    book = PhraseBook()
    line = ["a", "b", "c", "d", "x", "a", "b", "c"]
    assert book.completions(line) == {"d"}
    assert book.repeats([*line, "d"]) == 1
