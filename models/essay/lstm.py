"""The writer: a residual pre-norm LSTM language model that feels its condition at every step.

Shapes: B rows, T tokens, N conditions, V vocabulary, E embedding, H hidden, C condition, L layers.
The state is ``(h, c)``, each (L, B, H); rows never touch each other. Embeddings are tied, and the
softmax has two levels: the most frequent ids (ids are sorted by frequency) plus one entry for all
others, so that training computes the long tail only where a target lies in it. Written-out
log-probabilities are exact. The start token ``<s>`` empties the memory, wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils.generic import ModelOutput

State = tuple[Tensor, Tensor]


class EssayConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of an EssayLSTM."""

    model_type = "essay-lstm"

    vocab_size: int = 8192
    embed_size: int = 256
    hidden_size: int = 512
    condition_size: int = 256
    num_hidden_layers: int = 2
    head_size: int = 2048  # most frequent ids, computed at every step
    styles: int = 8
    marks: int = 6
    roles: int = 4
    remaining: int = 32
    dropout: float = 0.0  # locked along time
    weight_drop: float = 0.0
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    tie_word_embeddings: bool = True


@dataclass
class EssayOutput(ModelOutput):
    """What ``EssayLSTM.forward`` gives."""

    loss: Tensor | None = None
    logits: Tensor | None = None  # (B, T, V) normalised log-probabilities
    state: State | None = None


class LockedDropout(nn.Module):
    """Dropout whose mask is one for all steps of a sequence (time first)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop the same features of ``x`` (T, B, F) at every step."""
        if not self.training or self.p == 0:
            return x
        mask = x.new_empty(1, *x.shape[1:]).bernoulli_(1 - self.p).div_(1 - self.p)
        return x * mask


class Recurrence(nn.Module):
    """One LSTM layer (gates i, f, g, o) with weight-drop and exact resets inside a sequence."""

    def __init__(self, inputs: int, hidden: int, weight_drop: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_drop = weight_drop
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        # Closes input, forget and output gates: what follows starts from an empty memory.
        self.register_buffer("closing", torch.empty(4 * hidden, 1), persistent=False)
        self.close()

    def close(self) -> None:
        """Fill the constant that closes the gates (also after loading, which skips it)."""
        closing = cast(Tensor, self.closing)
        closing.fill_(-60.0)
        closing[2 * self.hidden : 3 * self.hidden] = 0.0

    def forward(self, x: Tensor, state: State, reset: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over ``x`` (T, B, F); after a step marked in ``reset`` (T, B) the memory is empty."""
        weight_ih: Tensor = self.weight_ih
        weight_hh: Tensor = self.weight_hh
        if self.training and self.weight_drop > 0:
            weight_hh = F.dropout(weight_hh, self.weight_drop)
        if reset is not None:
            x = torch.cat([x, reset.unsqueeze(-1).to(x.dtype)], dim=-1)
            weight_ih = torch.cat([weight_ih, cast(Tensor, self.closing).to(x.dtype)], dim=1)
        weights = [weight_ih, weight_hh, self.bias, torch.zeros_like(self.bias)]
        h, c = state
        out, h, c = torch.lstm(
            x, [h.unsqueeze(0), c.unsqueeze(0)], weights, True, 1, 0.0, self.training, False, False
        )
        return out, (h.squeeze(0), c.squeeze(0))


class EssayLSTM(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """Causal language model with a condition; see the module's docstring."""

    config_class = EssayConfig
    base_model_prefix = "essay"
    main_input_name = "input_ids"
    _is_stateful = True
    _no_split_modules: list[str] = []  # noqa: RUF012

    def __init__(self, config: EssayConfig) -> None:
        super().__init__(config)
        embed, hidden, width = config.embed_size, config.hidden_size, config.condition_size
        layers = config.num_hidden_layers
        self.embed = nn.Embedding(config.vocab_size, embed, padding_idx=config.pad_token_id)
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.cluster = nn.Linear(embed, 1)
        # Weights of tokens in the mean of a bag: rare ones count more.
        self.register_buffer("token_weight", torch.ones(config.vocab_size))

        self.topic_in = nn.Linear(embed, width, bias=False)
        self.keywords_in = nn.Linear(embed, width, bias=False)
        self.style_in = nn.Embedding(config.styles, width, padding_idx=0)
        self.mark_in = nn.Embedding(config.marks, width, padding_idx=0)
        self.role_in = nn.Embedding(config.roles, width, padding_idx=0)
        self.remaining_in = nn.Embedding(config.remaining, width, padding_idx=0)
        self.condition_bias = nn.Parameter(torch.zeros(width))

        sizes = [embed] + [hidden] * layers
        self.inject = nn.ModuleList(nn.Linear(width, size, bias=False) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in sizes)
        self.layers = nn.ModuleList(
            Recurrence(size, hidden, config.weight_drop) for size in sizes[:-1]
        )
        self.skip = nn.Linear(embed, hidden, bias=False)
        self.project = nn.Linear(hidden, embed)
        self.locked = LockedDropout(config.dropout)
        self.post_init()  # type: ignore[no-untyped-call]

    # ---- the condition ---------------------------------------------------------------------

    def condition(
        self,
        topic: Tensor,
        keywords: Tensor,
        style: Tensor,
        mark: Tensor,
        role: Tensor,
        remaining: Tensor,
    ) -> Tensor:
        """Make conditions (N, C) from bags of ids (N, K; 0 = nothing) and buckets (N; 0 = unknown).

        ``models.essay.prompt.condition_arrays`` gives these six. All zeros is the null condition.
        """
        total = self.topic_in(self._bag(topic)) + self.keywords_in(self._bag(keywords))
        total = total + self.style_in(style) + self.mark_in(mark)
        total = total + self.role_in(role) + self.remaining_in(remaining)
        return F.silu(total + self.condition_bias)

    def _bag(self, ids: Tensor) -> Tensor:
        """Average the embeddings of a bag (N, K) to unit variance (N, E); empty bags give zeros."""
        weight = cast(Tensor, self.token_weight)[ids] * (ids != self.config.pad_token_id)
        mean = torch.einsum("nk,nke->ne", weight, self.embed(ids))
        mean = mean / weight.sum(1, keepdim=True).clamp(min=1e-6)
        return F.layer_norm(mean, (mean.shape[-1],), eps=1e-8)

    # ---- the recurrent trunk ---------------------------------------------------------------

    def recurrences(self) -> list[Recurrence]:
        """List the recurrent layers, from the input up."""
        return [cast(Recurrence, layer) for layer in self.layers]

    def initial_state(self, rows: int) -> State:
        """Give empty memories (L, B, H)."""
        shape = (self.config.num_hidden_layers, rows, self.config.hidden_size)
        parameter = self.output_bias
        return parameter.new_zeros(shape), parameter.new_zeros(shape)

    def hidden(
        self,
        input_ids: Tensor,
        condition: Tensor | None = None,
        condition_index: Tensor | None = None,
        state: State | None = None,
    ) -> tuple[Tensor, State]:
        """Run the trunk over ids (B, T); return output vectors (T, B, E) and the new state.

        ``condition`` is (B, C), one a row, or (N, C) with ``condition_index`` (B, T) into it.
        """
        ids = input_ids.t()
        h, c = state if state is not None else self.initial_state(ids.shape[1])
        if condition is None:
            condition = F.silu(self.condition_bias).expand(ids.shape[1], -1)
        felt = [inject(condition) for inject in self.inject]
        if condition_index is not None:
            felt = [f[condition_index.t()] for f in felt]
        reset = (ids == self.config.bos_token_id).any()
        marks = (ids == self.config.bos_token_id) if bool(reset) else None

        x = self.locked(self.embed(ids))
        stream, entry = self.skip(x), x
        new_h, new_c = [], []
        for number, layer in enumerate(self.recurrences()):
            inside = self.locked(self.norms[number](entry + felt[number]))
            out, (h_n, c_n) = layer(inside, (h[number], c[number]), marks)
            stream = stream + out
            entry = stream
            new_h.append(h_n)
            new_c.append(c_n)
        y = self.project(self.locked(self.norms[-1](stream + felt[-1])))
        return y, (torch.stack(new_h), torch.stack(new_c))

    # ---- the two-level softmax -------------------------------------------------------------

    def log_probs(self, y: Tensor) -> Tensor:
        """Turn output vectors (..., E) into exact log-probabilities (..., V)."""
        head = self.config.head_size
        scores = F.linear(y, self.embed.weight, self.output_bias)
        top = torch.cat([scores[..., :head], self.cluster(y)], dim=-1).log_softmax(-1)
        tail = scores[..., head:].log_softmax(-1) + top[..., head:]
        return torch.cat([top[..., :head], tail], dim=-1)

    def nll(self, y: Tensor, targets: Tensor) -> Tensor:
        """Give the negative log-likelihood (N,) of targets (N,) under output vectors (N, E)."""
        head = self.config.head_size
        scores = F.linear(y, self.embed.weight[:head], self.output_bias[:head])
        scores = torch.cat([scores, self.cluster(y)], dim=-1)
        loss = F.cross_entropy(scores, targets.clamp(max=head), reduction="none")
        rare = (targets >= head).nonzero().squeeze(1)
        if rare.numel():
            tail = F.linear(y[rare], self.embed.weight[head:], self.output_bias[head:])
            extra = F.cross_entropy(tail, targets[rare] - head, reduction="none")
            loss = loss.index_add(0, rare, extra)
        return loss

    # ---- the two ways in -------------------------------------------------------------------

    def forward(
        self,
        input_ids: Tensor,
        condition: Tensor | None = None,
        condition_index: Tensor | None = None,
        state: State | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> EssayOutput:
        """Predict the next token after each of ``input_ids`` (B, T).

        ``labels`` (B, T) are the inputs themselves, as usual; -100 is ignored.
        """
        y, new_state = self.hidden(input_ids, condition, condition_index, state)
        logits = self.log_probs(y).transpose(0, 1)
        loss = None
        if labels is not None:
            loss = F.nll_loss(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return EssayOutput(loss=loss, logits=logits, state=new_state)

    @torch.no_grad()
    def step(self, token_ids: Tensor, condition: Tensor, state: State) -> tuple[Tensor, State]:
        """Feed one token a row: ids (B,), condition (B, C) -> log-probabilities (B, V), state."""
        y, new_state = self.hidden(token_ids.unsqueeze(1), condition, None, state)
        return self.log_probs(y[0]), new_state

    # ---- Hugging Face plumbing -------------------------------------------------------------

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, state: State | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Feed only the last token once there is a state."""
        ids = input_ids if state is None else input_ids[:, -1:]
        return {"input_ids": ids, "state": state, "condition": kwargs.get("condition")}

    def _update_model_kwargs_for_generation(
        self, outputs: ModelOutput, model_kwargs: dict[str, Any], *_: Any, **__: Any
    ) -> dict[str, Any]:
        model_kwargs["state"] = outputs["state"]
        return model_kwargs

    def get_input_embeddings(self) -> nn.Embedding:
        """Give the tied embedding."""
        return self.embed

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the tied embedding."""
        self.embed = cast(nn.Embedding, value)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise: orthogonal recurrences, open forget gates, small embeddings."""
        if isinstance(module, Recurrence):
            nn.init.xavier_uniform_(module.weight_ih)
            # nn.init spares loaded weights by a mark on them, which views of them do not carry.
            if _is_fresh(module.weight_hh):
                for gate in module.weight_hh.chunk(4):
                    nn.init.orthogonal_(gate)
            if _is_fresh(module.bias):
                module.bias.zero_()
                module.bias[module.hidden : 2 * module.hidden] = 1.0
            module.close()
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)
            if module.padding_idx is not None and _is_fresh(module.weight):
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, EssayLSTM):
            nn.init.zeros_(module.output_bias)
            nn.init.zeros_(module.condition_bias)
            nn.init.ones_(cast(Tensor, module.token_weight))


def _is_fresh(parameter: Tensor) -> bool:
    """Tell a parameter that awaits its first values from one that was loaded."""
    return not getattr(parameter, "_is_hf_initialized", False)


AutoConfig.register("essay-lstm", EssayConfig)
AutoModelForCausalLM.register(EssayConfig, EssayLSTM)
