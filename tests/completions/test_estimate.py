from dataclasses import replace
from decimal import Decimal

from impasto.completions.estimate import (
    MOST_TOKENS_AROUND_A_PART,
    MOST_TOKENS_AROUND_TOOLS,
    MOST_TOKENS_PER_INPUT_IMAGE,
    estimate_for,
    estimate_of,
    most_it_can_cost,
)
from impasto.completions.route import Route
from impasto.domain.chat import ChatRequest, ImageLink, Message, Sampling, TextPart
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.tools import ResponseFormat, Tool, ToolCall, ToolResult
from tests.fakes.models import LIMITS, a_model, a_price, a_request, a_text_model
from tests.fakes.pictures import picture_part

MILLION = Decimal(1_000_000)
# Input, words and pictures cost 1, 1000 and 1000000 a million: the digits tell the kinds apart.
PRICE = a_price("1", "1000", "1000000")


def tokens(model: Model, request: ChatRequest, sent: ImageConfig | None = None) -> Decimal | None:
    cost = most_it_can_cost(replace(model, price=PRICE), request, sent or ImageConfig())
    return None if cost is None else cost * MILLION


def test_a_picture_is_bounded_by_its_size_and_the_models_other_tokens() -> None:
    around = MOST_TOKENS_AROUND_A_PART
    assert tokens(a_model(), a_request()) == 8 + around + 2048 * 1000 + 1120 * 1_000_000
    assert tokens(a_model(), a_request(), ImageConfig(image_size="2K")) == 8 + around + 2_048_000 + 1_680_000_000


def test_every_picture_that_may_come_is_reserved_for() -> None:
    many = a_model(images=replace(LIMITS, max_images_per_call=10))
    assert tokens(many, a_request()) == 8 + MOST_TOKENS_AROUND_A_PART + 2_048_000 + 11_200_000_000


def test_input_is_bounded_by_its_bytes_and_pictures() -> None:
    words, link = TextPart("ü" * 100), ImageLink("https://example.com/a.png", "messages[0].content[1]")
    request = a_request("google/talking-model", Message("user", (words, link)), Message("user", (picture_part(),)))
    expected = 200 + 3 * MOST_TOKENS_AROUND_A_PART + 2 * MOST_TOKENS_PER_INPUT_IMAGE + 65536 * 1000
    assert tokens(a_text_model(), request) == expected


def test_functions_and_formats_are_input_as_well() -> None:
    call, came = ToolCall("1", "look", "{}", "c2ln"), ToolResult("1", "look", "ü")
    spoken = a_request("google/talking-model", Message("assistant", (call,)), Message("tool", (came,)))
    answer = 65536 * 1000
    assert tokens(a_text_model(), spoken) == (4 + 2 + 4) + (4 + 2) + 2 * MOST_TOKENS_AROUND_A_PART + answer
    asked = a_request(tools=(Tool("look", "ü", b"{}"),), response_format=ResponseFormat(b'{"a":1}'))
    around = 2 * MOST_TOKENS_AROUND_A_PART + MOST_TOKENS_AROUND_TOOLS
    assert tokens(a_text_model(), asked) == 8 + (4 + 2 + 2) + 7 + around + answer


def test_an_answer_in_words_is_bounded_by_what_was_asked_for_or_by_the_model() -> None:
    around = 8 + MOST_TOKENS_AROUND_A_PART
    assert tokens(a_text_model(), a_request(sampling=Sampling(max_tokens=100))) == around + 100_000
    assert tokens(a_text_model(), a_request()) == around + 65_536_000
    assert tokens(a_text_model(max_output_tokens=None), a_request()) is None


def test_without_a_bound_or_a_price_there_is_no_estimate() -> None:
    untold = a_model(images=replace(LIMITS, tokens_per_image={}))
    assert tokens(untold, a_request()) is None
    assert most_it_can_cost(a_model(price=None), a_request(), ImageConfig()) is None
    assert most_it_can_cost(a_model(price=a_price(image=None)), a_request(), ImageConfig()) is None


def test_more_than_the_model_can_say_is_not_reserved_for() -> None:
    asked = a_request(sampling=Sampling(max_tokens=10**30))
    assert tokens(a_text_model(), asked) == 8 + MOST_TOKENS_AROUND_A_PART + 65_536_000


def least(model: Model, request: ChatRequest, sent: ImageConfig | None = None) -> Decimal | None:
    cost = estimate_of(replace(model, price=PRICE), request, sent or ImageConfig()).least.cost
    return None if cost is None else cost * MILLION


def test_the_least_is_one_picture_of_the_asked_size_and_the_shortest_prompt() -> None:
    assert least(a_model(), a_request()) == 1 + 1120 * 1_000_000
    assert least(a_model(), a_request(), ImageConfig(image_size="2K")) == 1 + 1680 * 1_000_000
    wordless = a_request("google/painting-model", Message("user", (picture_part(),)))
    assert least(a_model(), wordless) == 1120 * 1_000_000


def test_the_least_of_an_answer_in_words_is_one_token_of_them() -> None:
    assert least(a_text_model(), a_request()) == 1 + 1000


def test_the_most_of_an_estimate_is_the_most_it_can_cost() -> None:
    for model in (a_model(), a_text_model(), a_text_model(max_output_tokens=None), a_model(price=None)):
        most = estimate_of(model, a_request(), ImageConfig()).most
        assert most.cost == most_it_can_cost(model, a_request(), ImageConfig())


def test_a_bound_has_a_line_for_each_kind_and_they_add_up() -> None:
    request = a_request("google/painting-model", Message("user", (TextPart("a banana"), picture_part())))
    estimate = estimate_of(a_model(), request, ImageConfig())
    for bound in (estimate.least, estimate.most):
        assert sum(line.cost or 0 for line in bound.lines) == bound.cost
    assert [line.kind for line in estimate.least.lines] == ["input_text", "output_image"]
    assert [line.kind for line in estimate.most.lines] == ["input_text", "input_image", "output_text", "output_image"]


def test_what_is_known_of_the_tokens_is_told_where_the_cost_is_not() -> None:
    untold = estimate_of(a_model(images=replace(LIMITS, tokens_per_image={})), a_request(), ImageConfig())
    assert (untold.least.cost, untold.most.cost) == (None, None)
    assert untold.most.usage.output_text_tokens == 2048


def test_several_answers_cost_as_much_each() -> None:
    one = estimate_of(a_model(), a_request(), ImageConfig())
    three = one.times(3)
    assert three.most.cost == (one.most.cost or 0) * 3
    assert three.least.usage.output_image_tokens == 3360
    assert estimate_of(a_model(price=None), a_request(), ImageConfig()).times(2).most.cost is None


def test_a_replacement_widens_the_bounds() -> None:
    cheap, dear = a_model("cheap", price=a_price("1", "1", "1")), a_model("dear", price=a_price("9", "9", "9"))
    costs = {model.id: estimate_for(Route(model), a_request()) for model in (cheap, dear)}
    for route in (Route(cheap, dear), Route(dear, cheap)):
        both = estimate_for(route, a_request())
        assert (both.least, both.most) == (costs[cheap.id].least, costs[dear.id].most)


def test_a_replacement_without_a_price_leaves_no_bound() -> None:
    both = estimate_for(Route(a_model(), a_model("gift", price=None)), a_request())
    assert (both.least.cost, both.most.cost) == (None, None)


def test_each_model_of_a_route_is_asked_for_what_it_takes() -> None:
    fixed = a_model("fixed", images=replace(LIMITS, sends_image_size=False))
    request = a_request(image_config=ImageConfig(image_size="2K"))
    assert estimate_for(Route(fixed), request).least.usage.output_image_tokens == 1120
    assert estimate_for(Route(a_model()), request).least.usage.output_image_tokens == 1680
