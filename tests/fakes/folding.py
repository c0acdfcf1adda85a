"""A stream folded to the message that a reader ends up with."""

import json
from decimal import Decimal
from typing import Any


def chunks_of(stream: bytes) -> list[Any]:
    """The chunks of a stream of server-sent events, which must end with `[DONE]`."""
    *events, done, rest = stream.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    assert all(event.startswith((b"data: ", b": ")) for event in events)
    return [json.loads(event[6:], parse_float=Decimal) for event in events if event.startswith(b"data: ")]


def folded(chunks: list[Any], shape: str) -> Any:
    """The body of the whole answer that `chunks` amount to."""
    *content, receipt = chunks
    choices: dict[int, Any] = {}
    for chunk in content:
        (choice,) = chunk["choices"]
        found = choices.setdefault(choice["index"], {"index": choice["index"], "deltas": []})
        found["deltas"].append(choice["delta"])
        if choice["finish_reason"]:
            found |= {key: choice[key] for key in ("finish_reason", "native_finish_reason", "logprobs")}
    body = {key: value for key, value in receipt.items() if key != "choices"}
    body["object"] = "chat.completion"
    body["choices"] = [
        {"message": _message(choice.pop("deltas"), shape), **choice} for _, choice in sorted(choices.items())
    ]
    return body


def _message(deltas: list[Any], shape: str) -> Any:
    content = [delta["content"] for delta in deltas if "content" in delta]
    images = [image for delta in deltas for image in delta.get("images", ())]
    message: dict[str, Any] = {
        "role": deltas[0]["role"],
        "content": "".join(content) if content else None,
        "text": "".join(delta.get("text", "") for delta in deltas),
        "refusal": next((delta["refusal"] for delta in deltas if "refusal" in delta), None),
    }
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    if calls:
        assert [call.pop("index") for call in calls] == list(range(len(calls)))
        message["tool_calls"] = calls
    details = [detail for delta in deltas for detail in delta.get("reasoning_details", ())]
    if details:
        message["reasoning_details"] = details
    if shape == "parts" and images:
        message["content"] = _parts(deltas)
    elif images:
        message["images"] = images
    return message


def _parts(deltas: list[Any]) -> list[Any]:
    parts: list[Any] = []
    for delta in deltas:
        parts += delta.get("images", [])
        if text := delta.get("content"):
            if parts and parts[-1]["type"] == "text":
                text = parts.pop()["text"] + text
            parts.append({"type": "text", "text": text})
    return parts
