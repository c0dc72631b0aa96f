"""The memories of all rows of a table, and the two kinds of work on some of them.

Letters: R rows, M memory, E embedding, F felt, V vocabulary. Work comes for a number of
rows, filled up to the next of ``exact_buckets`` with row 0, which is nobody's. For each bucket what
is given lies in a buffer that never moves, so that a GPU may record its work once (``graphs.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from models.essay.graphs import Work, recorder_for
from models.essay.kernel import Kernel, exact_buckets, padded


class Stage:
    """One kind of work on a number of rows, told by columns of whole numbers."""

    def __init__(
        self, columns: int, size: int, device: torch.device, work: Callable[[Tensor], Tensor]
    ) -> None:
        self._given = torch.zeros(columns, size, dtype=torch.long, device=device)
        self.work: Work = partial(work, self._given)

    def __call__(self, *columns: Sequence[int]) -> Tensor:
        """Do it; what is missing to the size is row 0."""
        spare = [0] * (self._given.shape[1] - len(columns[0]))
        self._given.copy_(torch.tensor([[*column, *spare] for column in columns]))
        return self.work()


class Rows:
    """Memories (rows, M), last outputs (rows, E) and conditions (places, F)."""

    def __init__(self, kernel: Kernel, rows: int, places: int, most: int) -> None:
        """Make room for ``rows``, of which up to ``most`` are stepped together; warm all up."""
        self._kernel = kernel
        device, dtype = kernel.device, kernel.dtype
        with torch.inference_mode():
            self._memory = kernel.empty_memory(rows)
            self._y = torch.zeros(rows, kernel.embed_size, device=device, dtype=dtype)
            self._felt = torch.zeros(places, kernel.felt_size, device=device, dtype=dtype)
        self.buckets = exact_buckets(kernel, most)
        self._recorder = recorder_for(device)
        self._advances: dict[int, Stage] = {}
        self._scorings: dict[int, Stage] = {}
        for size in reversed(self.buckets):  # the largest first: the others fit into its scratch
            self._stages(size)

    @property
    def size(self) -> int:
        """Count the bytes of the memories."""
        return sum(t.nbytes for t in (self._memory, self._y, self._felt))

    @torch.inference_mode()
    def advance(self, rows: Sequence[int], tokens: Sequence[int], places: Sequence[int]) -> None:
        """Feed a token to each of some rows; changes nothing unless all goes well."""
        self._stages(padded(len(rows), self.buckets))[0](rows, tokens, places)

    @torch.inference_mode()
    def scores(self, rows: Sequence[int]) -> Tensor:
        """Give the log-probabilities that follow rows (R, V); they hold until the next work."""
        return self._stages(padded(len(rows), self.buckets))[1](rows)[: len(rows)]

    @torch.inference_mode()
    def feel(self, place: int, felt: Tensor) -> None:
        """Put a condition (F,) at a place."""
        self._felt[place] = felt

    @torch.inference_mode()
    def copy(self, source: int, targets: Sequence[int]) -> None:
        """Let rows go on from where another one is."""
        for kept in (self._memory, self._y):
            kept[targets] = kept[source].clone()

    @torch.inference_mode()
    def forget(self, row: int) -> None:
        """Empty a row's memory."""
        self._memory[row] = 0.0

    @torch.inference_mode()
    def _stages(self, size: int) -> tuple[Stage, Stage]:
        if size not in self._advances:
            device, record = self._kernel.device, self._recorder.record
            self._advances[size] = Stage(3, size, device, self._advance)
            self._scorings[size] = Stage(1, size, device, self._score)
            for stage in (self._advances[size], self._scorings[size]):
                stage.work = record(stage.work)
        return self._advances[size], self._scorings[size]

    def _advance(self, given: Tensor) -> Tensor:
        """Step rows, told by row, token and place of the condition."""
        rows, tokens, places = given
        y, memory = self._kernel.step(
            tokens, self._felt.index_select(0, places), self._memory.index_select(0, rows)
        )
        self._memory[rows], self._y[rows] = memory, y
        return y

    def _score(self, given: Tensor) -> Tensor:
        return self._kernel.log_probs(self._y.index_select(0, given[0]))
