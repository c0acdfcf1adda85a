"""What every recorded answer of Google costs, to a thousand-millionth of a dollar.

The bill is worked out here a second time, from Google's own counts and the catalogue's prices
alone: nothing of it passes through the code under test.
"""

import json
from decimal import Decimal
from typing import Any

import pytest

from impasto.adapters.gemini import GeminiAdapter
from impasto.catalogue.load import load_catalogue
from impasto.completions.answer import Bill, CostStatus
from impasto.completions.journal import Journal
from impasto.completions.settle import bill_for
from impasto.domain.chat import ModelCall, TextPart, Turn
from impasto.domain.events import ImageEnded, UsageSeen
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.money import dollars_of, nano_of
from impasto.domain.pricing import Price, cost_of, lines_of
from impasto.domain.receipt import facts_of, parse_facts
from tests.end_to_end.replay import RECORDED, Exchange, exchanges_of
from tests.fakes.blobs import MemoryStore

pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not here")

NEAR = Decimal("1e-9")
PIECE_BYTES = 64 << 10
CATALOGUE = load_catalogue()
STAND_IN = "google/gemini-2.5-flash"
"""Prices the recorded answer of a model that is long gone."""


def answers() -> list[Any]:
    """Every recorded answer of Google that was one: the file, and which of its exchanges."""
    index = RECORDED / "INDEX.json"
    if not index.exists():
        return []
    return [
        pytest.param(recording["file"], number, id=f"{recording['file']}-{number}")
        for recording in json.loads(index.read_text())
        if recording["file"].startswith("gemini")
        for number, exchange in enumerate(recording["exchanges"])
        if "enerateContent" in exchange["request"] and exchange["status"] == 200
    ]


def model_of(exchange: Exchange) -> Model:
    name = exchange.path.rpartition("/")[2].partition(":")[0]
    found = CATALOGUE.find(f"google/{name}") or CATALOGUE.find(STAND_IN)
    assert found
    return found


def is_stream(exchange: Exchange) -> bool:
    return "streamGenerateContent" in exchange.path


def googles_counts(exchange: Exchange) -> dict[str, Any]:
    """The last `usageMetadata`: in a stream, the earlier ones are running counts."""
    text = exchange.body.decode()
    documents = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    found = [json.loads(document).get("usageMetadata") for document in (documents if is_stream(exchange) else [text])]
    counts: dict[str, Any] = [one for one in found if one][-1]
    return counts


def googles_bill(counts: dict[str, Any], price: Price) -> Decimal:
    """Google's arithmetic: pictures by their own count, what else came and thoughts as text, all input alike."""
    pictures: int = sum(
        detail["tokenCount"] for detail in counts.get("candidatesTokensDetails", []) if detail["modality"] == "IMAGE"
    )
    words: int = counts.get("candidatesTokenCount", 0) - pictures + counts.get("thoughtsTokenCount", 0)
    assert price.output_text is not None
    prompt: int = counts["promptTokenCount"]
    bill = prompt * price.input + words * price.output_text
    if pictures:
        assert price.output_image is not None
        bill += pictures * price.output_image
    return bill / 1_000_000


def our_bill(exchange: Exchange) -> Bill:
    model, streamed = model_of(exchange), is_stream(exchange)
    call = ModelCall(model, (Turn("user", (TextPart("a cat"),)),), streamed=streamed)
    parser = GeminiAdapter().parser(call)
    pieces = [exchange.body[start : start + PIECE_BYTES] for start in range(0, len(exchange.body), PIECE_BYTES)]
    journal = Journal(MemoryStore())
    for events in (*map(parser.feed, pieces), parser.finish()):
        for event in events:
            if isinstance(event, UsageSeen):
                journal.usage = event.usage
            journal.pictures_made += isinstance(event, ImageEnded)
    return bill_for(model, ImageConfig(), journal)


@pytest.mark.parametrize(("recording", "number"), answers())
def test_a_recorded_answer_costs_what_google_bills(recording: str, number: int) -> None:
    exchange = exchanges_of(recording)[number]
    price = model_of(exchange).price
    assert price is not None
    expected, bill = googles_bill(googles_counts(exchange), price), our_bill(exchange)
    assert bill.status is CostStatus.EXACT
    assert bill.cost is not None
    assert abs(bill.cost - expected) < NEAR
    assert abs(dollars_of(nano_of(expected)) - expected) < NEAR
    assert sum(line.cost or 0 for line in lines_of(bill.usage, price)) == expected
    kept, kept_price, _ = parse_facts(facts_of(bill.usage, price, bill.status))
    assert cost_of(kept, kept_price) == expected


def test_every_recording_was_read() -> None:
    assert len(answers()) == 8
