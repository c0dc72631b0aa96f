"""What the service counts, in Prometheus' format."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models.contract import (
    AlbumTake,
    BeatTake,
    EngineHealth,
    EssayDelta,
    EssayDone,
    Family,
    Problem,
)
from models.shelf import Shelf
from models.streams import Event, Last, Stream

FIRST_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
WHOLE_BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)


class EngineCollector(Collector):
    """Reads the engines at the moment somebody asks."""

    def __init__(self, engines: Callable[[], Iterable[EngineHealth]]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield what each engine does now."""
        facts = {
            "active": "Requests being made",
            "waiting": "Requests that wait",
            "idle_seconds": "Seconds since the engine last made a step",
            "rate": "Tokens or bars a second, recently",
            "ok": "Whether the engine moves",
        }
        engines = list(self._engines())
        for fact, text in facts.items():
            gauge = GaugeMetricFamily(f"generation_engine_{fact}", text, labels=["family"])
            for engine in engines:
                gauge.add_metric([engine.family.value], float(getattr(engine, fact) or 0))
            yield gauge


class ShelfCollector(Collector):
    """Reads what is held at the moment somebody asks."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def collect(self) -> Iterator[Metric]:
        """Yield versions held, their bytes, loads and evictions."""
        held = GaugeMetricFamily("generation_held_versions", "Versions held", labels=["family"])
        size = GaugeMetricFamily("generation_held_bytes", "Bytes they take", labels=["family"])
        gone = CounterMetricFamily(
            "generation_evictions", "Versions that left for want of memory", labels=["family"]
        )
        loads = CounterMetricFamily(
            "generation_loads", "Versions loaded, or refused", labels=["family", "outcome"]
        )
        for family, count, size_now in self._shelf.sizes():
            held.add_metric([family.value], count)
            size.add_metric([family.value], size_now)
            gone.add_metric([family.value], self._shelf.evictions[family])
            for outcome in ("done", "refused"):
                number = self._shelf.loads[family, outcome]
                loads.add_metric([family.value, outcome], number)
        yield from (held, size, gone, loads)


class Metrics:
    """The counters of one service; each has its own registry, so that tests can make many."""

    def __init__(self, engines: Callable[[], Iterable[EngineHealth]], shelf: Shelf) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(EngineCollector(engines))
        self._registry.register(ShelfCollector(shelf))
        self.requests = Counter(
            "generation_requests",
            "Requests by what became of them",
            ["family", "outcome"],
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "generation_in_flight", "Open requests", ["family"], registry=self._registry
        )
        self.first = Histogram(
            "generation_first_words_seconds",
            "From the request to its first words, or to the whole beat",
            ["family"],
            buckets=FIRST_BUCKETS,
            registry=self._registry,
        )
        self.seconds = Histogram(
            "generation_seconds",
            "From the request to its last event",
            ["family"],
            buckets=WHOLE_BUCKETS,
            registry=self._registry,
        )
        self.tokens = Counter("generation_tokens", "Tokens written", registry=self._registry)
        self.reloads = Counter(
            "generation_reloads",
            "Reloads by what became of them",
            ["family", "outcome"],
            registry=self._registry,
        )

        self.stall = Gauge(
            "generation_reload_stall_seconds",
            "What the slowest step during the last reload took beyond the usual one",
            ["family"],
            registry=self._registry,
        )

    def page(self) -> bytes:
        """Write the page that Prometheus reads."""
        return generate_latest(self._registry)

    def refused(self, family: Family, outcome: str) -> None:
        """Count a request that did not get in."""
        self.requests.labels(family.value, outcome).inc()

    async def watch(self, family: Family, stream: Stream) -> AsyncGenerator[Event, None]:
        """Pass the events of a stream on and count what becomes of it."""
        begun = time.monotonic()
        with self._counted(family, begun) as outcome:
            first = True
            async for event in stream:
                if first and isinstance(event, EssayDelta | BeatTake | AlbumTake):
                    first = False
                    self.first.labels(family.value).observe(time.monotonic() - begun)
                if isinstance(event, EssayDone):
                    self.tokens.inc(event.tokens)
                if isinstance(event, Last):
                    outcome[0] = "failed" if isinstance(event, Problem) else "done"
                yield event

    @contextmanager
    def _counted(self, family: Family, begun: float) -> Iterator[list[str]]:
        """Hold the in-flight gauge up and count the outcome at the end, however it ends."""
        outcome = ["cancelled"]
        self.in_flight.labels(family.value).inc()
        try:
            yield outcome
        finally:
            self.in_flight.labels(family.value).dec()
            self.requests.labels(family.value, outcome[0]).inc()
            if outcome[0] == "done":
                self.seconds.labels(family.value).observe(time.monotonic() - begun)
