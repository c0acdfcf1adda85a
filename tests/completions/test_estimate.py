from dataclasses import replace
from decimal import Decimal

from impasto.completions.estimate import (
    MOST_TOKENS_AROUND_A_PART,
    MOST_TOKENS_AROUND_TOOLS,
    MOST_TOKENS_PER_INPUT_IMAGE,
    most_it_can_cost,
)
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
