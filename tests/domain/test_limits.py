import pytest

from impasto.domain.chat import (
    ChatRequest,
    Handle,
    ImageLink,
    ImagePart,
    Kept,
    KeptImage,
    Message,
    Sampling,
    TextPart,
    Turn,
)
from impasto.domain.errors import Code, Failure
from impasto.domain.image import ImageConfig
from impasto.domain.limits import MOST_PICTURES, check_pictures, check_request, image_config_to_send
from impasto.domain.model import ImageLimits, Model
from impasto.domain.tools import ResponseFormat, Tool, ToolCall, ToolResult
from tests.fakes.models import a_model, a_request, a_text_model
from tests.fakes.pictures import picture_part

CALLED = Message("assistant", (ToolCall("1", "look", "{}"),)), Message("tool", (ToolResult("1", "look", "x"),))
ABLE = a_text_model(parameters=("tools", "response_format"))
LINK = ImageLink("https://example.com/a.png", "messages[0].content[0].image_url.url")


def refusal_of(model: Model, request: ChatRequest) -> Failure:
    with pytest.raises(Failure) as raised:
        check_request(model, request)
    assert not raised.value.retry_helps
    return raised.value


def user(*parts: TextPart | ImagePart | ImageLink) -> ChatRequest:
    return a_request("google/painting-model", Message("user", parts))


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (a_model(), a_request()),
        (a_model(), a_request(image_config=ImageConfig("16:9", "2K"), modalities=("text", "image"))),
        (a_model(), a_request(modalities=("image",), sampling=Sampling(seed=7))),
        (a_model(), user(TextPart("it"), picture_part(), LINK, LINK)),
        (a_model(max_input_images=0), user(*[LINK] * 100)),
        (a_model(input_media_types=()), user(picture_part(media_type="image/avif"))),
        (a_model(thinking_levels=("high",)), a_request(sampling=Sampling(reasoning_effort="high"))),
        (a_text_model(), a_request(modalities=("text",))),
        (ABLE, a_request(tools=(Tool("look"),), response_format=ResponseFormat())),
        (ABLE, a_request("google/talking-model", *CALLED)),
    ],
)
def test_what_a_model_can_do_passes(model: Model, request_: ChatRequest) -> None:
    check_request(model, request_)


@pytest.mark.parametrize(
    ("model", "request_", "code", "param", "says"),
    [
        (
            a_model(),
            a_request(image_config=ImageConfig("5:3")),
            Code.INVALID_VALUE,
            "image_config.aspect_ratio",
            '"5:3" is not possible with google/painting-model. It takes 1:1, 16:9 and 9:16.',
        ),
        (
            a_model(),
            a_request(image_config=ImageConfig(image_size="512")),
            Code.INVALID_VALUE,
            "image_config.image_size",
            "It takes 1K and 2K.",
        ),
        (
            a_text_model(),
            a_request(image_config=ImageConfig("1:1")),
            Code.UNSUPPORTED,
            "image_config",
            "makes no pictures",
        ),
        (a_text_model(), a_request(modalities=("image",)), Code.UNSUPPORTED, "modalities", "answers in text only"),
        (a_model(), a_request(modalities=("text",)), Code.UNSUPPORTED, "modalities", '["text", "image"]'),
        (a_model(), a_request(sampling=Sampling(presence_penalty=1)), Code.UNSUPPORTED, "presence_penalty", "seed"),
        (
            a_model(thinking_levels=("minimal", "high")),
            a_request(sampling=Sampling(reasoning_effort="medium")),
            Code.INVALID_VALUE,
            "reasoning_effort",
            "It takes minimal and high.",
        ),
        (
            a_model(),
            a_request(sampling=Sampling(reasoning_effort="high")),
            Code.INVALID_VALUE,
            "reasoning_effort",
            "It takes no reasoning_effort.",
        ),
        (a_model(), user(*[LINK] * 4), Code.INVALID_VALUE, "messages", "4 pictures. google/painting-model takes at"),
        (a_model(input=("text",)), user(LINK), Code.UNSUPPORTED, LINK.where, "reads text only"),
        (
            a_model(),
            user(picture_part(media_type="image/gif", where="messages[0].content[0]")),
            Code.UNSUPPORTED_MEDIA_TYPE,
            "messages[0].content[0]",
            "is image/gif. google/painting-model takes image/png and image/jpeg.",
        ),
        (
            a_model(),
            a_request("google/painting-model", Message("system", (TextPart("like this"), LINK))),
            Code.UNSUPPORTED,
            LINK.where,
            "Put it in a user message.",
        ),
    ],
)
def test_a_refusal_names_the_field_the_value_and_the_choices(
    model: Model, request_: ChatRequest, code: Code, param: str, says: str
) -> None:
    failure = refusal_of(model, request_)
    assert (failure.code, failure.param) == (code, param)
    assert says in failure.message


@pytest.mark.parametrize(
    "request_",
    [
        a_request(image_config=ImageConfig("9" * 10_000)),
        a_request(image_config=ImageConfig(image_size="9" * 10_000)),
        a_request(sampling=Sampling(reasoning_effort="9" * 10_000)),
    ],
)
def test_a_long_value_is_quoted_in_short(request_: ChatRequest) -> None:
    assert len(refusal_of(a_model(), request_).message) < 300


def test_pictures_that_came_later_are_checked_as_well() -> None:
    turns = [Turn("user", (TextPart("it"), picture_part(media_type="image/heic")))]
    check_pictures(a_model(input_media_types=("image/heic",)), turns)
    with pytest.raises(Failure, match="is image/heic"):
        check_pictures(a_model(), turns)


def test_a_size_without_a_field_on_the_wire_is_not_sent() -> None:
    one_size = a_model(images=ImageLimits(("1:1",), ("1K",), "1K", sends_image_size=False))
    asked = ImageConfig("1:1", "1K")
    assert image_config_to_send(a_model(), asked) == asked
    assert image_config_to_send(one_size, asked) == ImageConfig("1:1")
    assert image_config_to_send(a_text_model(), ImageConfig()) == ImageConfig()


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (a_request(tools=(Tool("look"),)), "tools"),
        (a_request(response_format=ResponseFormat()), "response_format"),
        (a_request("google/talking-model", *CALLED), "messages[0].tool_calls"),
    ],
)
def test_functions_and_formats_are_refused_by_models_that_do_not_take_them(request_: ChatRequest, param: str) -> None:
    failure = refusal_of(a_text_model(parameters=("seed",)), request_)
    assert (failure.code, failure.param) == (Code.UNSUPPORTED, param)
    assert failure.message == f"{param} was given, but google/talking-model does not take it. It takes seed."


CITED = KeptImage(Kept("0" * 64, 9), "image/png", None, "messages[0].content[0].image_url.url")
HANDLE = Handle("image", "img_1", CITED.where)


@pytest.mark.parametrize("picture", [picture_part(where=CITED.where), LINK, CITED, HANDLE])
def test_pictures_count_in_whatever_form_they_come(picture: ImagePart | ImageLink | KeptImage | Handle) -> None:
    request = a_request("google/painting-model", Message("user", (picture, picture)))
    check_request(a_model(max_input_images=2), request)
    refusal = refusal_of(a_model(max_input_images=1), request)
    assert (refusal.code, refusal.param) == (Code.INVALID_VALUE, "messages")
    refusal = refusal_of(a_text_model(input=("text",)), request)
    assert (refusal.code, refusal.param) == (Code.UNSUPPORTED, CITED.where)


def test_all_pictures_together_have_a_bound() -> None:
    own = Message("assistant", (CITED,) * MOST_PICTURES, made_by="google")
    check_request(a_model(), a_request("google/painting-model", own))
    refusal = refusal_of(a_model(), a_request("google/painting-model", own, Message("user", (CITED,))))
    assert (refusal.code, refusal.param) == (Code.INVALID_VALUE, "messages")


def test_what_a_model_made_itself_does_not_count() -> None:
    own = [Message("assistant", (CITED,), made_by="google"), Message("user", (TextPart("again"),))] * 9
    check_request(a_model(max_input_images=1), a_request("google/painting-model", *own, Message("user", (CITED,))))
    refusal_of(a_text_model(input=("text",)), a_request("google/talking-model", *own))
