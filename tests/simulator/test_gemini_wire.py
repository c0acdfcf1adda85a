"""What is refused, and in which words."""

from typing import Any

import msgspec
import pybase64
import pytest

from impasto.simulator.errors import Rejected
from impasto.simulator.gemini_wire import MAX_REQUEST_BYTES, check_request, read_request
from impasto.simulator.models import MODELS, by_name
from impasto.simulator.pictures import picture
from impasto.simulator.signatures import signature_of

MODEL_BY_NAME = by_name(MODELS)
PICTURE = pybase64.b64encode_as_string(picture("image/png", "a cat", 8, 8))
OTHER_PICTURE = pybase64.b64encode_as_string(picture("image/png", "a dog", 8, 8))
TEXT = {"text": "a cat"}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": PICTURE}}

FLASH_25, PRO, FLASH_31, LITE, NANO, WORDS_ONLY = (
    "gemini-2.5-flash-image",
    "gemini-3-pro-image",
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-nano-banana-2.1",
    "gemini-2.5-flash",
)


def asking(*parts: Any, **config: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"contents": [{"role": "user", "parts": list(parts or (TEXT,))}]}
    return {**request, "generationConfig": config} if config else request


def talking(*model_parts: Any) -> dict[str, Any]:
    turns = [("user", [TEXT]), ("model", list(model_parts)), ("user", [{"text": "at night"}])]
    return {"contents": [{"role": role, "parts": parts} for role, parts in turns]}


def check(model: str, request: Any) -> None:
    _, parsed = read_request(msgspec.json.encode(request))
    check_request(MODEL_BY_NAME[model], parsed)


def refusal(model: str, request: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        check(model, request)
    return caught.value


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (FLASH_25, asking()),
        (FLASH_25, {"contents": [{"parts": [TEXT]}]}),
        (FLASH_25, {"contents": {"parts": TEXT}}),
        (FLASH_25, {"contents": [{"parts": [TEXT]}], "safetySettings": None, "toolConfig": None}),
        (FLASH_25, asking(IMAGE, TEXT)),
        (FLASH_25, asking({"inline_data": {"mime_type": "image/png", "data": PICTURE}}, TEXT)),
        (FLASH_25, asking({"inlineData": {"mimeType": "image/png", "data": PICTURE.rstrip("=")}})),
        (FLASH_25, asking(responseModalities=["Image", "TEXT"], imageConfig={})),
        (FLASH_25, asking(imageConfig={"aspectRatio": "21:9", "imageSize": "1K"})),
        (FLASH_31, {"contents": [{"parts": [TEXT]}], "generation_config": {"image_config": {"image_size": "512"}}}),
        (FLASH_31, asking(imageConfig={"aspectRatio": "1:8", "imageSize": "4K"})),
        (NANO, asking(thinkingConfig={"thinkingLevel": "medium", "includeThoughts": True})),
        (PRO, asking(temperature=1.0, topP=0.95, topK=40, seed=1, stopSequences=["x"], maxOutputTokens=32768)),
        (PRO, asking() | {"tools": [{"googleSearch": {"searchTypes": {"webSearch": {}, "imageSearch": {}}}}]}),
        (PRO, asking() | {"systemInstruction": {"parts": [TEXT]}, "serviceTier": "flex"}),
        (PRO, asking() | {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]}),
        (WORDS_ONLY, asking(IMAGE, TEXT, thinkingConfig={"thinkingBudget": 0})),
        (FLASH_25, talking(TEXT, IMAGE)),
        (PRO, asking(IMAGE, IMAGE, TEXT)),
    ],
)
def test_taken(model: str, request_: Any) -> None:
    check(model, request_)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (asking() | {"n": 2}, 'Unknown name "n": Cannot find field.'),
        (asking(aspectRatio="1:1"), "Unknown name \"aspectRatio\" at 'generation_config': Cannot find field."),
        (
            asking({"text": "a", "mediaResolution": {"level": "HIGH"}}),
            "Unknown name \"mediaResolution\" at 'contents[0].parts[0]': Cannot find field.",
        ),
        (asking(imageConfig={"personGeneration": "x"}), "\"personGeneration\" at 'generation_config.image_config'"),
        (asking({"image_url": {}}), "Unknown name \"image_url\" at 'contents[0].parts[0]': Cannot find field."),
        (asking(imageConfig=["1:1"]), "Proto field is not repeating, cannot start list."),
        (asking(temperature="hot"), "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\""),
        (asking(maxOutputTokens=1.5), "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), 1.5"),
        (asking(candidateCount=True), "(TYPE_INT32)"),
        (asking(imageConfig={"imageSize": 512}), "'generation_config.image_config.image_size' (TYPE_STRING), 512"),
        (asking(responseModalities=["PICTURE"]), 'v1beta.GenerationConfig.Modality), "PICTURE"'),
        (asking({"inlineData": {"mimeType": "image/png", "data": "a,b"}}), 'Base64 decoding failed for "a,b"'),
        (
            asking({"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,AA"}}),
            "Base64 decoding failed",
        ),
        (
            asking({"text": "a", "thoughtSignature": "not base64!"}),
            "'contents[0].parts[0].thought_signature' (TYPE_BYTES)",
        ),
        (asking({"text": "a", **IMAGE}), "oneof field 'data' is already set. Cannot set 'inlineData'"),
        ({"contents": ["a cat"]}, "Invalid value at 'contents[0]'"),
        ([], "GenerateContentRequest"),
    ],
)
def test_fields_that_are_none(request_: Any, sentence: str) -> None:
    error = refusal(FLASH_25, request_)
    assert error.status == 400
    assert sentence in error.message
    assert error.details[0]["fieldViolations"][0]["description"] in error.message


def test_every_wrong_field_is_named_at_once() -> None:
    error = refusal(FLASH_25, {"one": 1, "contents": [{"two": 2}]})
    assert [violation.get("field") for violation in error.details[0]["fieldViolations"]] == [None, "contents[0]"]
    assert len(error.message.splitlines()) == 2


@pytest.mark.parametrize("body", [b"", b"{", b'{"contents": NaN}', b'{"a": "\xff"}'])
def test_no_json(body: bytes) -> None:
    with pytest.raises(Rejected, match="Invalid JSON payload received"):
        read_request(body)


def test_too_large() -> None:
    with pytest.raises(Rejected, match="exceeds the limit: 104857600 bytes"):
        read_request(bytes(MAX_REQUEST_BYTES + 1))


@pytest.mark.parametrize(
    ("model", "request_", "sentence"),
    [
        (FLASH_25, {}, "contents is not specified"),
        (FLASH_25, {"contents": []}, "contents is not specified"),
        (FLASH_25, {"contents": [{"role": "user", "parts": []}]}, "contents.parts must not be empty"),
        (FLASH_25, {"contents": [{"role": "assistant", "parts": [TEXT]}]}, "Please use a valid role: user, model."),
        (FLASH_25, {"contents": [{"role": "system", "parts": [TEXT]}]}, "Please use a valid role: user, model."),
        (FLASH_25, asking({"thought": True}), "contents[0].parts[0].data: required oneof field 'data'"),
        (
            FLASH_25,
            asking({"inlineData": {"mimeType": "image/gif", "data": "R0lGODlh"}}),
            "Unsupported MIME type: image/gif",
        ),
        (FLASH_25, asking({"inlineData": {"data": PICTURE}}), "Unsupported MIME type: "),
        (FLASH_25, asking({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}), "Unable to process input image"),
        (FLASH_25, asking({"inlineData": {"mimeType": "image/png", "data": ""}}), "Unable to process input image"),
        (FLASH_25, asking(candidateCount=2), "Multiple candidates is not enabled for this model"),
        (FLASH_25, asking(temperature=2.5), "temperature must be in the range [0.0, 2.0]"),
        (FLASH_25, asking(topP=1.5), "top_p must be in the range [0.0, 1.0]"),
        (FLASH_25, asking(maxOutputTokens=0), "supported range is from 1 (inclusive) to 32769 (exclusive)"),
        (LITE, asking(maxOutputTokens=4097), "maxOutputTokens value of 4097"),
        (FLASH_25, asking(stopSequences=list("abcdef")), "stop sequences"),
        (FLASH_25, asking(responseModalities=["TEXT", "AUDIO"]), "requested response modalities: text,audio"),
        (FLASH_25, asking(responseModalities=["TEXT"]), "requested response modalities: text"),
        (WORDS_ONLY, asking(responseModalities=["TEXT", "IMAGE"]), "This model only supports text output."),
        (WORDS_ONLY, asking(imageConfig={"aspectRatio": "1:1"}), "Aspect ratio is not enabled for this model"),
        (FLASH_25, asking(imageConfig={"aspectRatio": "1:4"}), '"1:4" is not supported'),
        (FLASH_31, asking(imageConfig={"aspectRatio": "16/9"}), '"16/9" is not supported'),
        (FLASH_31, asking(imageConfig={"imageSize": "1k"}), '"1k" is not supported'),
        (FLASH_31, asking(imageConfig={"imageSize": "512px"}), '"512px" is not supported'),
        (NANO, asking(imageConfig={"imageSize": "512"}), '"512" is not supported'),
        (LITE, asking(imageConfig={"imageSize": "2K"}), '"2K" is not supported'),
        (FLASH_25, asking(thinkingConfig={"thinkingLevel": "high"}), "Thinking is not enabled for this model"),
        (FLASH_31, asking(thinkingConfig={"thinkingLevel": "medium"}), "Thinking level MEDIUM is not supported"),
        (FLASH_31, asking(thinkingConfig={"thinkingLevel": "high", "thinkingBudget": 1}), "only set only one"),
        (WORDS_ONLY, asking(thinkingConfig={"thinkingLevel": "high"}), "Thinking level is not supported"),
        (LITE, asking() | {"tools": [{"googleSearch": {}}]}, "Search as tool is not enabled"),
        (NANO, asking() | {"tools": [{"functionDeclarations": []}]}, "Function calling is not enabled"),
    ],
)
def test_refused(model: str, request_: Any, sentence: str) -> None:
    error = refusal(model, request_)
    assert error.status == 400
    assert sentence in error.message


def test_files_of_others_are_forbidden() -> None:
    error = refusal(PRO, asking({"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/cat.png"}}))
    assert error.status == 403


# --- signatures ---

SIGNED_IMAGE = {**IMAGE, "thoughtSignature": signature_of(PICTURE, 400)}
SIGNED_TEXT = {**TEXT, "thoughtSignature": signature_of(TEXT["text"], 400)}


@pytest.mark.parametrize("model", [PRO, FLASH_31, LITE, NANO])
@pytest.mark.parametrize(
    "parts",
    [
        (SIGNED_IMAGE,),
        (SIGNED_TEXT, SIGNED_IMAGE),
        (SIGNED_TEXT, {"text": "later words need none"}),
        ({"text": "thinking aloud", "thought": True}, SIGNED_IMAGE),
    ],
)
def test_signed_parts_are_taken(model: str, parts: tuple[Any, ...]) -> None:
    check(model, talking(*parts))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ((IMAGE,), "Image part is missing a thought_signature in content position 2, part position 1."),
        ((SIGNED_TEXT, IMAGE), "Image part is missing a thought_signature in content position 2, part position 2."),
        ((TEXT, SIGNED_IMAGE), "Text part is missing a thought_signature in content position 2, part position 1."),
        (
            (IMAGE, {"text": "", "thoughtSignature": SIGNED_IMAGE["thoughtSignature"]}),
            "Image part is missing a thought_signature in content position 2, part position 1.",
        ),
        (({**IMAGE, "thoughtSignature": "c2tpcA=="},), "Corrupted thought signature."),
        (({**IMAGE, "thoughtSignature": "skip_thought_signature_validator"},), "Corrupted thought signature."),
        (({**SIGNED_IMAGE, "inlineData": {"mimeType": "image/png", "data": OTHER_PICTURE}},), "Corrupted"),
        (({**SIGNED_TEXT, "text": "a dog"},), "Corrupted thought signature."),
    ],
)
def test_unsigned_parts_are_refused(parts: tuple[Any, ...], sentence: str) -> None:
    assert sentence in refusal(FLASH_31, talking(*parts)).message
