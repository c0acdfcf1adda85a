"""What is in an answer: pictures of the asked shape, and counts that follow the recordings."""

from typing import Any

import pybase64
import pytest

from impasto.domain.image import Dimensions, dimensions_of, media_type_of
from impasto.simulator.answers import Answer, Order, answer_to, events_of
from impasto.simulator.faults import Drafts, Fault, Interleave, Pad, Refuse, Words
from impasto.simulator.models import MODELS, by_name
from impasto.simulator.pictures import picture
from impasto.simulator.signatures import is_signature_of

MODEL_BY_NAME = by_name(MODELS)
FLASH_25, PRO, FLASH_31, NANO = (
    "gemini-2.5-flash-image",
    "gemini-3-pro-image",
    "gemini-3.1-flash-image",
    "gemini-nano-banana-2.1",
)


def answered(model: str, *faults: Fault, prompt: str = "a cat", before: tuple[Any, ...] = (), **config: Any) -> Answer:
    parts = [*before, {"text": prompt}]
    request = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    order = Order(model, MODEL_BY_NAME[model], request, prompt, picture_bytes=0, signature_characters=100)
    return answer_to(order, faults)


def parts_of(answer: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = answer["candidates"][0]["content"]["parts"]
    return parts


def pictures_of(answer: Answer) -> list[bytes]:
    return [pybase64.b64decode(part["inlineData"]["data"]) for part in parts_of(answer) if "inlineData" in part]


def shape_of(data: bytes) -> Dimensions | None:
    return dimensions_of(lambda offset, count: data[offset : offset + count], media_type_of(data[:64]) or "")


@pytest.mark.parametrize("model", [FLASH_25, FLASH_31, PRO, NANO])
def test_every_ratio_and_size_comes_as_asked(model: str) -> None:
    known = MODEL_BY_NAME[model]
    for ratio in known.dimensions_1k:
        for size in known.image_tokens:
            answer = answered(model, imageConfig={"aspectRatio": ratio, "imageSize": size})
            assert [shape_of(each) for each in pictures_of(answer)] == [Dimensions(*known.dimensions(ratio, size))]


def test_an_edit_keeps_the_shape_of_its_last_picture() -> None:
    wide = {
        "inlineData": {"mimeType": "image/png", "data": pybase64.b64encode_as_string(picture("image/png", "", 160, 90))}
    }
    assert shape_of(pictures_of(answered(FLASH_31, before=(wide,)))[0]) == Dimensions(1376, 768)


def test_the_older_model_introduces_its_picture_and_signs_nothing() -> None:
    parts = parts_of(answered(FLASH_25))
    assert [sorted(part) for part in parts] == [["text"], ["inlineData"]]
    assert parts[1]["inlineData"]["mimeType"] == "image/png"
    assert [sorted(part) for part in parts_of(answered(FLASH_25, responseModalities=["IMAGE"]))] == [["inlineData"]]


def test_the_newer_models_sign_their_picture() -> None:
    (part,) = parts_of(answered(FLASH_31))
    assert part["inlineData"]["mimeType"] == "image/jpeg"
    assert is_signature_of(part["thoughtSignature"], part["inlineData"]["data"])


def test_the_same_prompt_gives_the_same_picture() -> None:
    assert pictures_of(answered(NANO)) == pictures_of(answered(NANO))
    assert pictures_of(answered(NANO)) != pictures_of(answered(NANO, prompt="a dog"))


def test_counts_of_a_picture() -> None:
    usage = answered(FLASH_31, imageConfig={"imageSize": "2K"}, thinkingConfig={"thinkingLevel": "HIGH"})[
        "usageMetadata"
    ]
    assert usage["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": 1680}]
    assert usage["candidatesTokenCount"] == 1680 + 420
    assert usage["thoughtsTokenCount"] == 740
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + 2100 + 740


def test_thoughts_that_were_not_had_are_not_counted() -> None:
    assert "thoughtsTokenCount" not in answered(FLASH_31)["usageMetadata"]
    assert answered(PRO)["usageMetadata"]["thoughtsTokenCount"] == 179


def test_counts_of_input_pictures() -> None:
    data = pybase64.b64encode_as_string(picture("image/png", "", 8, 8))
    two = ({"inlineData": {"mimeType": "image/png", "data": data}},) * 2
    details = answered(FLASH_25, before=two)["usageMetadata"]["promptTokensDetails"]
    assert details == [{"modality": "TEXT", "tokenCount": 2}, {"modality": "IMAGE", "tokenCount": 516}]


def test_a_model_of_words_answers_in_words() -> None:
    answer = answered("gemini-2.5-flash")
    assert parts_of(answer) == [{"text": "You said: a cat"}]
    assert "candidatesTokensDetails" not in answer["usageMetadata"]


def test_words_end_where_the_tokens_do() -> None:
    answer = answered("gemini-2.5-flash", prompt="a cat " * 100, maxOutputTokens=3)
    assert parts_of(answer) == [{"text": "You said: a "}]
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert answer["usageMetadata"]["candidatesTokenCount"] == 3


def test_too_few_tokens_for_a_picture() -> None:
    (candidate,) = answered(FLASH_31, maxOutputTokens=1000)["candidates"]
    assert candidate == {"content": {}, "finishReason": "MAX_TOKENS", "index": 0}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("empty", {}),
        ("role", {"role": "model"}),
        ("null_parts", {"parts": None}),
        ("no_parts", {"parts": [], "role": "model"}),
    ],
)
def test_a_refusal(content: Any, expected: Any) -> None:
    answer = answered(PRO, Refuse("NO_IMAGE", content))
    assert answer["candidates"][0]["content"] == expected
    assert answer["candidates"][0]["finishReason"] == "NO_IMAGE"
    assert list(events_of(answer)) == [answer]


def test_a_refusal_counts_its_thoughts_twice_and_adds_them_once() -> None:
    usage = answered(PRO, Refuse())["usageMetadata"]
    assert usage["candidatesTokenCount"] == usage["thoughtsTokenCount"] == 179
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + 179


def test_drafts() -> None:
    charged = answered(PRO, Drafts(3))
    assert len(set(pictures_of(charged))) == 3
    assert charged["usageMetadata"]["candidatesTokensDetails"][0]["tokenCount"] == 3 * 1120
    free = answered(PRO, Drafts(3, thought=True))
    assert [sorted(part) for part in parts_of(free)] == [["inlineData", "thought"]] * 2 + [
        ["inlineData", "thoughtSignature"]
    ]
    assert free["usageMetadata"]["candidatesTokensDetails"][0]["tokenCount"] == 1120


def test_words_between_pictures_are_signed_once() -> None:
    parts = parts_of(answered(NANO, Interleave(2)))
    assert ["text" in part for part in parts] == [True, False, True, False]
    assert ["thoughtSignature" in part for part in parts] == [True, True, False, True]


def test_padding() -> None:
    (part,) = parts_of(answered(NANO, Pad(picture_bytes=500_000, signature_characters=4000)))
    assert len(pybase64.b64decode(part["inlineData"]["data"])) == 500_000
    assert len(part["thoughtSignature"]) == 4000


# --- streams ---


@pytest.mark.parametrize("faults", [(), (Words("a long sentence about cats"),), (Interleave(3),), (Drafts(2),)])
@pytest.mark.parametrize("model", [FLASH_25, PRO])
def test_a_stream_joins_to_the_whole_answer(model: str, faults: tuple[Fault, ...]) -> None:
    whole = answered(model, *faults)
    events = list(events_of(whole))

    parts = [part for event in events for part in parts_of(event)]
    assert "".join(part.get("text", "") for part in parts) == "".join(part.get("text", "") for part in parts_of(whole))
    assert [part for part in parts if "inlineData" in part] == [
        part for part in parts_of(whole) if "inlineData" in part
    ]
    assert [part["thoughtSignature"] for part in parts if "thoughtSignature" in part] == [
        part["thoughtSignature"] for part in parts_of(whole) if "thoughtSignature" in part
    ]
    assert events[-1]["usageMetadata"] == whole["usageMetadata"]
    assert ["finishReason" in event["candidates"][0] for event in events] == [False] * (len(events) - 1) + [True]


def test_running_counts_may_be_above_the_bill() -> None:
    first, last = events_of(answered(PRO))
    assert first["usageMetadata"]["candidatesTokenCount"] > last["usageMetadata"]["candidatesTokenCount"]
