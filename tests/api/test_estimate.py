"""The estimate over HTTP: bounds by kind of token, what would be held, and what the budget leaves."""

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from impasto.api.admission import Admission
from impasto.api.estimate import Estimates
from impasto.catalogue.catalogue import Catalogue
from impasto.completions.recall import Recall
from impasto.domain.budget import Balance, Budget
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.spending import BudgetState
from tests.fakes.blobs import MemoryStore
from tests.fakes.gallery import MemoryGallery
from tests.fakes.ledger import MemoryLedger
from tests.fakes.models import a_catalogue, a_model, a_price, a_text_model, retiring
from tests.fakes.pictures import png

CATALOGUE = a_catalogue(
    a_model(),
    a_model("gift", price=None),
    a_text_model(),
    a_text_model("endless", max_output_tokens=None),
    a_model("old", lifecycle=retiring("google/dear")),
    a_model("dear", price=a_price("5", "30", "600")),
)
KEY = VirtualKey("a caller", frozenset({"generate"}), account_id="acc-1")
PICTURE = f"data:image/png;base64,{b64encode(png()).decode()}"


@dataclass(slots=True)
class Budgets:
    """Says `state` of every account, and remembers which it was asked about."""

    state: BudgetState | None = None
    asked: list[str] = field(default_factory=list)

    async def __call__(self, account_id: str) -> BudgetState | None:
        self.asked.append(account_id)
        return self.state


async def estimate(
    key: VirtualKey = KEY, budgets: Budgets | None = None, catalogue: Catalogue = CATALOGUE, **fields: object
) -> Any:
    body = {"model": "google/painting-model", "messages": [{"role": "user", "content": "a banana"}]} | fields
    data, sent = json.dumps(body).encode(), bytearray()

    async def receive() -> Any:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))

    scope = {"type": "http", "headers": [], "impasto.key": key, "impasto.facts": {}}
    recall = Recall(MemoryGallery(), MemoryLedger(), MemoryStore(), lambda _: None)
    await Estimates(catalogue, Admission(1 << 20, 1.0), 1 << 20, budgets or Budgets(), recall)(scope, receive, send)
    return json.loads(sent, parse_float=Decimal)


async def test_a_picture_is_estimated_by_kind_of_token() -> None:
    answer = await estimate()
    assert (answer["model"], answer["currency"], answer["n"]) == ("google/painting-model", "USD", 1)
    assert answer["cost_status"] == "estimated"
    assert answer["least"] == {
        "cost": Decimal("0.0672005"),
        "usage": {"prompt_tokens": 1, "completion_tokens": 1120, "total_tokens": 1121},
        "by_modality": [
            {"kind": "input_text", "tokens": 1, "price_per_million": Decimal("0.5"), "cost": Decimal("0.0000005")},
            {"kind": "output_image", "tokens": 1120, "price_per_million": 60, "cost": Decimal("0.0672")},
        ],
    }
    assert [line["tokens"] for line in answer["most"]["by_modality"]] == [24, 2048, 1120]
    assert answer["most"]["cost"] == answer["reserve"] == Decimal("0.073356")
    assert answer["price"]["checked"] == "2026-11-22"
    assert answer["price"]["output_image"] == 60
    assert answer["budget"] is None


async def test_the_lines_add_up() -> None:
    for fields in ({}, {"n": 4}, {"image_config": {"image_size": "2K"}}, {"model": "google/old"}):
        answer = await estimate(**fields)
        for bound in (answer["least"], answer["most"]):
            assert sum(line["cost"] for line in bound["by_modality"]) == bound["cost"]


async def test_several_answers_cost_as_much_each() -> None:
    one, three = await estimate(), await estimate(n=3)
    for bound in ("least", "most"):
        assert three[bound]["cost"] == one[bound]["cost"] * 3
    assert three["reserve"] == one["reserve"] * 3


async def test_a_picture_in_the_input_counts_and_a_link_is_not_fetched() -> None:
    for url in (PICTURE, "https://nowhere.invalid/a.png"):
        content = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]
        answer = await estimate(messages=[{"role": "user", "content": content}])
        assert [line["kind"] for line in answer["most"]["by_modality"]][1] == "input_image"


async def test_a_replacement_counts_unless_the_key_may_not_use_it() -> None:
    both = await estimate(model="google/old")
    assert both["least"]["cost"] == Decimal("0.0672005")
    assert both["most"]["cost"] > Decimal("0.672")
    bound_key = replace(KEY, models=frozenset({"google/old"}))
    assert (await estimate(bound_key, model="google/old"))["most"]["cost"] == Decimal("0.073356")


@pytest.mark.parametrize(
    ("model", "why"),
    [("google/gift", "has no price for google/gift"), ("google/endless", "For words, max_tokens bounds it.")],
)
async def test_what_is_unknown_is_null_and_says_why(model: str, why: str) -> None:
    answer = await estimate(model=model)
    assert (answer["most"]["cost"], answer["reserve"], answer["cost_status"]) == (None, None, "unknown")
    assert why in answer["why"]


async def test_more_than_can_be_held_is_unknown() -> None:
    answer = await estimate(model="google/endless", max_tokens=10**18)
    assert (answer["reserve"], answer["cost_status"]) == (None, "unknown")
    assert answer["why"] == "max_tokens allows for more than can be held. Ask for less."


async def test_the_budget_of_the_callers_account_is_told() -> None:
    state = BudgetState(
        Budget(10**9, "monthly"), Balance(held=10**8, unknown=2 * 10**8, spent=3 * 10**8), 1_796_083_200
    )
    budgets = Budgets(state)
    told = (await estimate(budgets=budgets))["budget"]
    assert budgets.asked == ["acc-1"]
    assert told == {
        "limit": 1, "period": "monthly", "spent": Decimal("0.3"), "held": Decimal("0.1"), "unknown": Decimal("0.2"),
        "left": Decimal("0.4"), "resets_at": "2026-12-01T00:00:00.000Z",
    }  # fmt: skip


async def test_what_is_overspent_leaves_nothing() -> None:
    budgets = Budgets(BudgetState(Budget(10, "none"), Balance(spent=11), None))
    told = (await estimate(budgets=budgets))["budget"]
    assert (told["left"], told["resets_at"]) == (0, None)


async def test_a_sandbox_costs_nothing() -> None:
    answer = await estimate(replace(KEY, sandbox=True), model="google/gift")
    assert (answer["least"]["cost"], answer["most"]["cost"], answer["reserve"], answer["price"]) == (0, 0, 0, None)


async def test_what_cannot_be_asked_for_is_refused_as_the_completion_would_be() -> None:
    with pytest.raises(Failure) as caught:
        await estimate(image_config={"image_size": "9K"})
    assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, "image_config.image_size")
