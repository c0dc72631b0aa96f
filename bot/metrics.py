"""What is counted and measured, for Prometheus; one registry a process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)

ADMITTED = Counter(
    "ghostwriter_admitted", "Requests that entered the queue", ["kind"], registry=REGISTRY
)
REFUSED = Counter(
    "ghostwriter_refused", "Requests that did not enter, by reason", ["reason"], registry=REGISTRY
)
FINISHED = Counter(
    "ghostwriter_finished", "Requests that ended, by how", ["kind", "end"], registry=REGISTRY
)
FAILED = Counter(
    "ghostwriter_failed",
    "Requests that came to nothing, by reason",
    ["kind", "reason"],
    registry=REGISTRY,
)
ACKNOWLEDGED = Histogram(
    "ghostwriter_acknowledge_seconds",
    "From a command's arrival to its status card",
    buckets=(0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0),
    registry=REGISTRY,
)
WAITED = Histogram(
    "ghostwriter_wait_seconds",
    "From asking to the start of the work",
    ["kind"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
MADE = Histogram(
    "ghostwriter_result_seconds",
    "From asking to the result",
    ["kind"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RATE = Gauge(
    "ghostwriter_tokens_per_second", "Speed of the last essay, in tokens/s", registry=REGISTRY
)
DISCORD_ERRORS = Counter(
    "ghostwriter_discord_errors", "Refused edits, by what they mean", ["verdict"], registry=REGISTRY
)
UNEXPECTED = Counter(
    "ghostwriter_unexpected_errors", "Errors answered with a reference", registry=REGISTRY
)
DEPTH = Gauge("ghostwriter_requests", "Requests in each state", ["state"], registry=REGISTRY)
BUSY = Gauge("ghostwriter_working", "Requests being worked on", registry=REGISTRY)
LAG = Gauge(
    "ghostwriter_loop_lag_seconds",
    "Longest delay of the event loop in the last minute",
    registry=REGISTRY,
)
FAILING = Gauge("ghostwriter_failing", "1 for each part that fails", ["part"], registry=REGISTRY)
MEASURED = Gauge(
    "ghostwriter_measured",
    "0 while the database does not answer and its figures are the last ones known",
    registry=REGISTRY,
)
