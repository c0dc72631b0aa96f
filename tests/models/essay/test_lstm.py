from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from models.essay.lstm import EssayConfig, EssayLSTM, LockedDropout, Recurrence


@pytest.fixture
def model() -> EssayLSTM:
    torch.manual_seed(3)
    config = EssayConfig(
        vocab_size=300, embed_size=24, hidden_size=32, condition_size=16, head_size=90
    )
    made = EssayLSTM(config)
    with torch.no_grad():  # far from the first values, so that a re-initialised part shows
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        made.get_buffer("token_weight").uniform_(0.1, 1.0)
    made.train(False)
    return made


def ids(rows: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(8, 300, (rows, length), generator=torch.Generator().manual_seed(seed))


def felt(model: EssayLSTM, rows: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    topic = torch.randint(0, 300, (rows, 16), generator=draw)
    words = torch.randint(0, 300, (rows, 16), generator=draw)
    small = [torch.randint(0, n, (rows,), generator=draw) for n in (8, 6, 4, 32)]
    return model.condition(topic, words, *small)


def test_log_probabilities_sum_to_one(model: EssayLSTM) -> None:
    logits = model(ids(3, 11), felt(model, 3)).logits
    assert torch.allclose(logits.exp().sum(-1), torch.ones(3, 11), atol=1e-5)


def test_training_loss_is_the_same_as_the_written_out_one(model: EssayLSTM) -> None:
    given, condition = ids(2, 40), felt(model, 2)
    y, _ = model.hidden(given, condition)
    short = model.nll(y[:-1].transpose(0, 1).flatten(0, 1), given[:, 1:].flatten()).mean()
    assert torch.allclose(short, model(given, condition, labels=given).loss, atol=1e-5)


def test_rows_are_alone_in_a_batch(model: EssayLSTM) -> None:
    given, condition = ids(5, 17), felt(model, 5)
    together = model(given, condition).logits
    for row in range(5):
        alone = model(given[row : row + 1], condition[row : row + 1]).logits
        assert torch.allclose(together[row], alone[0], atol=1e-5)


def test_steps_give_what_a_whole_pass_gives(model: EssayLSTM) -> None:
    given, condition = ids(2, 9), felt(model, 2)
    state = model.initial_state(2)
    for t in range(9):
        log_probs, state = model.step(given[:, t], condition, state)
    assert torch.allclose(log_probs, model(given, condition).logits[:, -1], atol=1e-5)


def test_conditions_by_index_equal_conditions_by_row(model: EssayLSTM) -> None:
    given, table = ids(2, 6), felt(model, 4)
    by_index, _ = model.hidden(given, table, torch.tensor([[3] * 6, [1] * 6]))
    by_row, _ = model.hidden(given, table[[3, 1]])
    assert torch.allclose(by_index, by_row, atol=1e-6)


def test_the_condition_is_felt(model: EssayLSTM) -> None:
    given = ids(1, 5)
    assert not torch.allclose(
        model(given, felt(model, 1, 1)).logits, model(given, felt(model, 1, 2)).logits, atol=1e-3
    )


def test_the_start_token_empties_the_memory(model: EssayLSTM) -> None:
    given, condition = ids(2, 7), felt(model, 2)
    start = torch.full((2, 1), model.config.bos_token_id)
    after = model(torch.cat([ids(2, 5, 9), start, given], dim=1), condition).logits[:, 6:]
    assert torch.allclose(after, model(given, condition).logits, atol=1e-5)


def test_hugging_face_round_trip(model: EssayLSTM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    read = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(read, EssayLSTM)
    assert (tmp_path / "model.safetensors").is_file()
    for name, value in model.state_dict().items():
        assert torch.equal(value, read.state_dict()[name]), name
    given, condition = ids(2, 6), felt(model, 2)
    assert torch.equal(model(given, condition).logits, read(given, condition).logits)


def test_hugging_face_generation_is_greedy_decoding(model: EssayLSTM) -> None:
    given = ids(2, 4)
    writer: Any = model
    made = writer.generate(given, max_new_tokens=6, do_sample=False, eos_token_id=None)
    expected = given
    for _ in range(6):
        best = model(expected).logits[:, -1].argmax(-1)
        expected = torch.cat([expected, best[:, None]], dim=1)
    assert torch.equal(made, expected)


def test_weight_drop_changes_the_recurrence_only_while_training() -> None:
    torch.manual_seed(0)
    layer = Recurrence(6, 8, weight_drop=0.5)
    EssayLSTM._init_weights(None, layer)  # type: ignore[arg-type]
    x = torch.randn(5, 2, 6)
    state = (torch.zeros(2, 8), torch.zeros(2, 8))
    layer.train()
    first, second = layer(x, state)[0], layer(x, state)[0]
    assert torch.equal(first[0], second[0])  # the first step has nothing to remember
    assert not torch.equal(first[1:], second[1:])
    layer.train(False)
    assert torch.equal(layer(x, state)[0], layer(x, state)[0])


def test_weight_drop_lets_the_gradient_reach_the_raw_weight() -> None:
    torch.manual_seed(0)
    layer = Recurrence(6, 8, weight_drop=0.5)
    EssayLSTM._init_weights(None, layer)  # type: ignore[arg-type]
    out, _ = layer(torch.randn(5, 2, 6), (torch.zeros(2, 8), torch.zeros(2, 8)))
    out.square().sum().backward()
    gradient = layer.weight_hh.grad
    assert gradient is not None
    dropped = (gradient == 0).float().mean()
    assert 0.3 < dropped < 0.7


def test_locked_dropout_is_one_mask_for_all_steps() -> None:
    torch.manual_seed(0)
    out = LockedDropout(0.5)(torch.ones(7, 3, 40))
    assert torch.equal(out, out[:1].expand_as(out))
    assert not torch.equal(out[0, 0], out[0, 1])
    assert set(out.unique().tolist()) == {0.0, 2.0}
