"""What a model answers: parts and counts, as one answer or as the events of a stream.

Rule: both kinds come from the same answer. Counts follow what was recorded: only pictures are listed
in the details of the output, which are smaller than its sum; a refusal counts its thoughts twice.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import msgspec
import pybase64

from impasto.domain.image import base64_reader, dimensions_of
from impasto.simulator.faults import Block, Calls, Drafts, Fault, Interleave, Pad, Refuse, Words
from impasto.simulator.functions import Function, callable_functions, calling_of, example_of, signed_call
from impasto.simulator.gemini_wire import Request, config_of, parts_of
from impasto.simulator.models import SimulatedModel, Size
from impasto.simulator.pictures import picture
from impasto.simulator.signatures import signature_of

Answer = dict[str, Any]
Part = dict[str, Any]

_CHARACTERS_PER_TOKEN = 4
_DELTA_CHARACTERS = 12
_CONTENTS_OF_REFUSAL: dict[str, dict[str, Any]] = {
    "absent": {},
    "empty": {"content": {}},
    "role": {"content": {"role": "model"}},
    "null_parts": {"content": {"parts": None}},
    "no_parts": {"content": {"parts": [], "role": "model"}},
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be answered: by whom, to what, and how large. `prompt` is without its magic words."""

    name: str
    model: SimulatedModel
    request: Request
    prompt: str
    picture_bytes: int
    signature_characters: int
    number: int = 1


@dataclass(frozen=True, slots=True)
class Planned:
    """A part to come: words, a call of a function, or a picture where there is neither."""

    text: str | None = None
    call: Part | None = None
    thought: bool = False


def answer_to(order: Order, faults: Sequence[Fault] = ()) -> Answer:
    """The whole answer, with what the faults say about its content."""
    order = _padded(order, faults)
    for fault in faults:
        if isinstance(fault, Block):
            blocked = {"promptFeedback": {"blockReason": fault.reason}}
            return _answer(order, blocked, _usage_of_refusal(order, thoughts=False))
        if isinstance(fault, Refuse):
            return _refusal(order, fault)
    planned, finish_reason = _fitted(order, _plan(order, faults))
    parts = [_part(order, index, each) for index, each in enumerate(planned)]
    candidate: dict[str, Any] = {
        "content": {"parts": parts, "role": "model"} if parts else {},
        "finishReason": finish_reason,
        "index": 0,
    }
    return _answer(order, {"candidates": [candidate]}, _usage(order, parts))


def prompt_of(request: Request) -> str:
    """The words of the last turn of the user."""
    words: dict[int, list[str]] = {}
    for turn, _, role, part in parts_of(request):
        if role == "user":
            words.setdefault(turn, []).append(part.get("text", ""))
    return " ".join(filter(None, words[max(words)])) if words else ""


# --- the parts ---


def _plan(order: Order, faults: Sequence[Fault]) -> list[Planned]:
    for fault in faults:
        match fault:
            case Words(text):
                return [Planned(text)]
            case Calls(count) if functions := callable_functions(order.request):
                return [_call(order, functions[index % len(functions)], index) for index in range(count)]
            case Drafts(count, thought):
                return [Planned(thought=thought and index < count - 1) for index in range(count)]
            case Interleave(count):
                return [each for index in range(count) for each in (Planned(f"Step {index + 1}: "), Planned())]
            case _:
                continue
    if not order.model.makes_images:
        return [_planned_words(order)]
    modalities = config_of(order.request).get("responseModalities") or ["TEXT", "IMAGE"]
    # The older model likes to introduce its picture; the newer ones mostly do not.
    introduces = "TEXT" in modalities and not order.model.signs
    return [Planned("Here is your picture: "), Planned()] if introduces else [Planned()]


def _planned_words(order: Order) -> Planned:
    functions = callable_functions(order.request)
    results = [part["functionResponse"] for _, _, _, part in parts_of(order.request) if "functionResponse" in part]
    if functions and calling_of(order.request).get("mode") == "ANY":
        return _call(order, functions[0], 0)
    said = f"You said: {order.prompt}"
    if results:
        said = f"{results[-1]['name']} said: {json.dumps(results[-1].get('response'), ensure_ascii=False)}"
    config = config_of(order.request)
    if config.get("responseMimeType") != "application/json":
        return Planned(said)
    schema = config.get("responseJsonSchema", {"properties": {"answer": {}}})
    return Planned(json.dumps(example_of(schema, said), ensure_ascii=False))


def _call(order: Order, function: Function, index: int) -> Planned:
    arguments = example_of(function.get("parametersJsonSchema", {"type": "object"}), order.prompt)
    call_id = {"id": f"{order.number}x{index}"} if order.model.signs_calls else {}
    return Planned(call={**call_id, "name": function["name"], "args": arguments})


def _fitted(order: Order, planned: list[Planned]) -> tuple[list[Planned], str]:
    """As much of the plan as `maxOutputTokens` lets through, and the finish reason that goes with it."""
    left: int = config_of(order.request).get("maxOutputTokens", order.model.max_output_tokens)
    fitted: list[Planned] = []
    for each in planned:
        needed = _picture_tokens(order) if each.text is None and each.call is None else _planned_tokens(each)
        if needed > left:
            cut = (each.text or "")[: left * _CHARACTERS_PER_TOKEN]
            return [*fitted, *([Planned(cut)] if cut else [])], "MAX_TOKENS"
        fitted.append(each)
        left -= needed
    return fitted, "STOP"


def _padded(order: Order, faults: Sequence[Fault]) -> Order:
    for fault in faults:
        if isinstance(fault, Pad):
            wanted = {name: size for name, size in msgspec.structs.asdict(fault).items() if size is not None}
            order = replace(order, **wanted)
    return order


def _part(order: Order, index: int, planned: Planned) -> Part:
    if planned.call is not None:
        signature = signature_of(signed_call(planned.call), order.signature_characters)
        signed = {"thoughtSignature": signature} if order.model.signs_calls and index == 0 else {}
        return {"functionCall": planned.call, **signed}
    if planned.text is None:
        words = f"{order.prompt} #{index}"
        data = picture(order.model.media_type, words, *_dimensions(order), order.picture_bytes)
        content = pybase64.b64encode_as_string(data)
        part: Part = {"inlineData": {"mimeType": order.model.media_type, "data": content}}
    else:
        content = planned.text
        part = {"text": content}
    if planned.thought:
        return part | {"thought": True}
    # The first words carry a signature, later ones do not.
    if order.model.signs and (planned.text is None or index == 0):
        part["thoughtSignature"] = signature_of(content, order.signature_characters)
    return part


def _dimensions(order: Order) -> Size:
    image_config = config_of(order.request).get("imageConfig") or {}
    ratio = image_config.get("aspectRatio") or _ratio_of_last_picture(order)
    return order.model.dimensions(ratio, image_config.get("imageSize"))


def _ratio_of_last_picture(order: Order) -> str | None:
    """The aspect ratio closest to that of the last picture in the request: what is edited keeps its shape."""
    pictures = [part["inlineData"] for _, _, _, part in parts_of(order.request) if "inlineData" in part]
    if not pictures:
        return None
    last = pictures[-1]
    shape = dimensions_of(base64_reader(last["data"].encode()), last["mimeType"])
    if shape is None:
        return None
    wanted = shape.width / shape.height

    def distance(ratio: str) -> float:
        width, height = order.model.dimensions_1k[ratio]
        return abs(width / height - wanted)

    return min(order.model.dimensions_1k, key=distance)


# --- the counts ---


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _planned_tokens(planned: Planned) -> int:
    return _tokens(json.dumps(planned.call) if planned.text is None else planned.text)


def _picture_tokens(order: Order) -> int:
    image_config = config_of(order.request).get("imageConfig") or {}
    return order.model.image_tokens[image_config.get("imageSize") or "1K"]


def _prompt_usage(order: Order) -> dict[str, Any]:
    system = (order.request.get("systemInstruction") or {}).get("parts", ())
    parts = [*system, *(part for _, _, _, part in parts_of(order.request))]
    by_modality = {
        "TEXT": sum(_tokens(part.get("text", "")) for part in parts),
        "IMAGE": sum(order.model.input_image_tokens for part in parts if "inlineData" in part),
    }
    details = [{"modality": name, "tokenCount": count} for name, count in by_modality.items() if count]
    return {"promptTokenCount": sum(by_modality.values()), "promptTokensDetails": details}


def _thought_tokens(order: Order) -> int:
    level: str = (config_of(order.request).get("thinkingConfig") or {}).get("thinkingLevel", "")
    return order.model.thought_tokens.get(level.lower(), 0)


def _usage(order: Order, parts: Sequence[Part]) -> dict[str, Any]:
    prompt = _prompt_usage(order)
    pictures = sum("inlineData" in part and not part.get("thought") for part in parts) * (
        _picture_tokens(order) if order.model.makes_images else 0
    )
    words = sum(_tokens(part.get("text", "")) for part in parts)
    words += sum(_tokens(json.dumps(part["functionCall"])) for part in parts if "functionCall" in part)
    candidates = pictures + words + (order.model.hidden_tokens if pictures else 0)
    thoughts = _thought_tokens(order)
    return {
        "promptTokenCount": prompt["promptTokenCount"],
        "candidatesTokenCount": candidates,
        "totalTokenCount": prompt["promptTokenCount"] + candidates + thoughts,
        "promptTokensDetails": prompt["promptTokensDetails"],
        **({"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": pictures}]} if pictures else {}),
        **({"thoughtsTokenCount": thoughts} if thoughts else {}),
        "serviceTier": order.request.get("serviceTier", "STANDARD").lower(),
    }


def _usage_of_refusal(order: Order, *, thoughts: bool) -> dict[str, Any]:
    """Thoughts stand in both counts and once in the sum."""
    prompt = _prompt_usage(order)
    thought = _thought_tokens(order) if thoughts else 0
    counts = {"candidatesTokenCount": thought, "thoughtsTokenCount": thought} if thought else {}
    return {**prompt, **counts, "totalTokenCount": prompt["promptTokenCount"] + thought}


# --- the whole ---


def _refusal(order: Order, refuse: Refuse) -> Answer:
    candidate = {
        **_CONTENTS_OF_REFUSAL[refuse.content],
        "finishReason": refuse.reason,
        "index": 0,
        "finishMessage": refuse.message,
    }
    return _answer(order, {"candidates": [candidate]}, _usage_of_refusal(order, thoughts=True))


def _answer(order: Order, content: dict[str, Any], usage: dict[str, Any]) -> Answer:
    digest = hashlib.sha256(f"{order.number} {order.prompt}".encode()).digest()
    response_id = pybase64.urlsafe_b64encode(digest[:17]).decode().rstrip("=")
    return {**content, "usageMetadata": usage, "modelVersion": order.name, "responseId": response_id}


def events_of(answer: Answer) -> Iterator[Answer]:
    """The answer as a stream brings it: words in pieces, a picture whole, counts that grow, an end.

    What is no ordinary answer (no candidate, no parts) is one event.
    """
    match answer:
        case {"candidates": [{"content": {"parts": [*parts]}} as candidate]} if parts and all(map(_is_ordinary, parts)):
            yield from _events(answer, candidate, parts)
        case _:
            yield answer


def _events(answer: Answer, candidate: dict[str, Any], parts: Sequence[Part]) -> Iterator[Answer]:
    shown = 0
    for part in chain.from_iterable(map(_pieces, parts)):
        shown += _tokens(part.get("text", ""))
        content = {"content": {"parts": [part], "role": "model"}, "index": candidate["index"]}
        usage = _running(answer.get("usageMetadata"), shown, is_picture="inlineData" in part)
        yield {**answer, "candidates": [content], **({"usageMetadata": usage} if usage is not None else {})}
    ending = {"content": {"parts": [{"text": ""}], "role": "model"}}
    yield {**answer, "candidates": [{**candidate, **ending}]}


def _is_ordinary(part: Part) -> bool:
    return isinstance(part.get("text", ""), str)


def _pieces(part: Part) -> Iterator[Part]:
    """A signature of words comes after them, with an empty text."""
    if "text" not in part:
        yield part
        return
    text: str = part["text"]
    for start in range(0, len(text), _DELTA_CHARACTERS):
        yield {"text": text[start : start + _DELTA_CHARACTERS]}
    if "thoughtSignature" in part:
        yield {**part, "text": ""}


def _running(usage: Any, shown: int, *, is_picture: bool) -> Any:
    """Counts so far. With a picture more than in the end, as was recorded: only the last ones are the bill."""
    if not isinstance(usage, dict) or not isinstance(usage.get("candidatesTokenCount"), int):
        return usage
    if is_picture:
        too_many = 88 if "thoughtsTokenCount" in usage else 0
        return {
            **usage,
            "candidatesTokenCount": usage["candidatesTokenCount"] + too_many,
            "totalTokenCount": usage["totalTokenCount"] + too_many,
        }
    total = usage["promptTokenCount"] + shown
    early = {
        name: count for name, count in usage.items() if name not in {"candidatesTokensDetails", "thoughtsTokenCount"}
    }
    return {**early, "candidatesTokenCount": shown, "totalTokenCount": total}
