from __future__ import annotations

import pytest

from bot.verdicts import CODES, Verdict, judge


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        (10062, 404, Verdict.DEAD_TOKEN),
        (40060, 400, Verdict.TAKEN),
        (50027, 401, Verdict.DEAD_TOKEN),
        (10008, 404, Verdict.GONE),
        (40005, 413, Verdict.TOO_LARGE),
        (50013, 403, Verdict.NO_ACCESS),
        (50001, 403, Verdict.NO_ACCESS),
        (200000, 400, Verdict.BLOCKED),
        (30046, 400, Verdict.TOO_OLD),
        (50083, 400, Verdict.TOO_OLD),
        (50035, 400, Verdict.INVALID),
        (400001, 403, Verdict.NO_FILES),
    ],
)
def test_codes_mean_what_they_mean(code: int, status: int, meaning: Verdict) -> None:
    assert judge(code, status) is meaning


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(403, Verdict.NO_ACCESS), (404, Verdict.GONE), (413, Verdict.TOO_LARGE), (503, Verdict.AWAY)],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, meaning: Verdict) -> None:
    assert judge(0, status) is meaning
    assert judge(999_999, status) is meaning


def test_every_verdict_but_the_last_resort_has_a_code() -> None:
    assert set(CODES.values()) == set(Verdict) - {Verdict.AWAY}
