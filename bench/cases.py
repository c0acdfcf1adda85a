"""What is measured, and what impasto has to reach in it.

Rule: a bound compares figures of one run, or is a size that does not depend on the
machine's mood.
"""

from dataclasses import dataclass
from typing import Literal

from bench.answers import IMAGE_MODEL, TEXT_MODEL

Metric = Literal["requests_per_second", "p50", "p99", "first_byte", "cpu", "peak"]
UNITS: dict[Metric, str] = {
    "requests_per_second": "requests/s",
    "p50": "ms p50",
    "p99": "ms p99",
    "first_byte": "ms to the first picture byte",
    "cpu": "ms CPU",
    "peak": "MB peak",
}

NGINX, BUFFERING, DIRECT, LITELLM = "nginx", "nginx-buffering", "direct", "LiteLLM"
WHOLE, STREAMED = "impasto-whole", "impasto-streamed"
UNTILLED, POSTGRES = "impasto-no-till", "impasto-postgresql"
ALL = (DIRECT, NGINX, BUFFERING, WHOLE, STREAMED, LITELLM)


@dataclass(frozen=True, slots=True)
class Case:
    """`answer` and `request` name what is sent; paces are bytes a second on one connection, 0 for no limit.

    A case whose turns are long, because its readers are slow, has `max_turns`.
    """

    name: str
    title: str
    answer: str
    request: str
    connections: int
    tls: bool
    load: Literal["wrk", "readers"] = "readers"
    reader_pace: float = 0
    provider_pace: float = 0
    model: str = IMAGE_MODEL
    targets: tuple[str, ...] = ALL
    max_turns: int = 100


@dataclass(frozen=True, slots=True)
class Bound:
    """`metric` of `target`, alone or against that of `against`, is at most or at least `value`."""

    case: str
    target: str
    metric: Metric
    relation: Literal["alone", "times", "more than"]
    against: str
    limit: Literal["at most", "at least"]
    value: float


_IN_WORDS = (DIRECT, NGINX, BUFFERING, WHOLE, UNTILLED, POSTGRES, LITELLM)

CASES = (
    Case("27mb", "A picture of 27 MB, 8 connections, provider over TLS", "27mb", "picture", 8, tls=True),
    Case("2.5mb", "A picture of 2.5 MB, 16 connections, provider over TLS", "2.5mb", "picture", 16, tls=True),
    Case(
        "paced", "A picture of 27 MB from a provider that sends 40 MB/s, 8 connections",
        "27mb", "picture", 8, tls=False, provider_pace=40e6,
    ),
    Case(
        "slow", "A picture of 27 MB to 64 readers at 5 MB/s each, provider over TLS",
        "27mb", "picture", 64, tls=True, reader_pace=5e6, max_turns=1,
    ),
    Case("text", "A few words, 32 connections", "text", "text", 32, False, "wrk", model=TEXT_MODEL, targets=_IN_WORDS),
    Case("text-1", "A few words, one connection", "text", "text", 1, False, "wrk", model=TEXT_MODEL, targets=_IN_WORDS),
    Case("edit", "An edit: 5 MB up, 2.5 MB down, 8 connections", "2.5mb", "edit", 8, tls=False),
    Case("edit-tls", "An edit: 5 MB up, 2.5 MB down, 8 connections, provider over TLS", "2.5mb", "edit", 8, tls=True),
)  # fmt: skip


def _peer(case: str, metric: Metric, value: float) -> Bound:
    return Bound(case, LITELLM, metric, "times", WHOLE, "at least", value)


BOUNDS = (
    Bound("27mb", STREAMED, "cpu", "times", NGINX, "at most", 1.8),
    Bound("27mb", WHOLE, "cpu", "times", BUFFERING, "at most", 2.2),
    Bound("27mb", STREAMED, "peak", "alone", "", "at most", 100),
    Bound("27mb", WHOLE, "peak", "alone", "", "at most", 100),
    _peer("27mb", "cpu", 5),
    _peer("27mb", "peak", 10),
    Bound("2.5mb", STREAMED, "cpu", "times", NGINX, "at most", 2.2),
    _peer("2.5mb", "cpu", 5),
    _peer("2.5mb", "peak", 10),
    Bound("paced", STREAMED, "first_byte", "more than", DIRECT, "at most", 10),
    Bound("slow", STREAMED, "peak", "alone", "", "at most", 200),
    Bound("slow", WHOLE, "peak", "alone", "", "at most", 250),
    Bound("text", UNTILLED, "requests_per_second", "alone", "", "at least", 2500),
    Bound("text", WHOLE, "requests_per_second", "alone", "", "at least", 1500),
    Bound("text", POSTGRES, "requests_per_second", "alone", "", "at least", 800),
    Bound("text-1", UNTILLED, "p50", "more than", DIRECT, "at most", 0.6),
    Bound("edit", WHOLE, "cpu", "times", NGINX, "at most", 2),
)
