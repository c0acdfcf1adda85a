"""Answers that are wrong in one point.

Rule: each fault changes what it names and nothing else, so that a reader that trips over it can be told why.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from impasto.simulator.answers import Answer, Part
from impasto.simulator.faults import (
    BrokenBase64,
    EmptyCandidates,
    EmptyPicture,
    Fault,
    Rename,
    UnknownFinish,
    Usage,
    WrongMime,
    WrongShape,
)

_HUGE = 10**30
_PARTS_THAT_ARE_NONE: dict[str, Any] = {"parts_string": "a picture", "text_number": [{"text": 7}]}


def spoiled(answer: Answer, faults: Sequence[Fault]) -> Any:
    """The answer with the faults' errors in it; any JSON may come out."""
    spoilt: Any = answer
    for fault in faults:
        if isinstance(fault, WrongShape):
            spoilt = _misshapen(spoilt, fault)
        elif type(fault) in _SPOILERS and isinstance(spoilt, dict):
            spoilt = _SPOILERS[type(fault)](spoilt, fault)
    return spoilt


def _misshapen(answer: Any, fault: WrongShape) -> Any:
    match fault.shape:
        case "list":
            return [answer, answer]
        case "string":
            return "an answer"
        case "no_candidates":
            return {"result": "done"}
        case "candidates_object":
            return {**answer, "candidates": {"0": "a picture"}}
        case "parts_string" | "text_number":
            content = {"role": "model", "parts": _PARTS_THAT_ARE_NONE[fault.shape]}
            return {**answer, "candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}


def _pictures_changed(answer: Answer, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Answer:
    def changed(part: Part) -> Part:
        return {**part, "inlineData": change(part["inlineData"])} if "inlineData" in part else part

    def candidates() -> Iterator[dict[str, Any]]:
        for candidate in answer.get("candidates", ()):
            content = candidate.get("content") or {}
            parts = [changed(part) for part in content.get("parts") or ()]
            yield {**candidate, "content": {**content, "parts": parts}} if parts else candidate

    return {**answer, "candidates": list(candidates())}


def _with_wrong_mime(answer: Answer, fault: WrongMime) -> Answer:
    return _pictures_changed(answer, lambda blob: {**blob, "mimeType": fault.media_type})


def _with_empty_picture(answer: Answer, _fault: EmptyPicture) -> Answer:
    return _pictures_changed(answer, lambda blob: {**blob, "data": ""})


def _with_broken_base64(answer: Answer, fault: BrokenBase64) -> Answer:
    return _pictures_changed(
        answer, lambda blob: {**blob, "data": f"{blob['data'][: fault.at]}!{blob['data'][fault.at + 1 :]}"}
    )


def _with_empty_candidates(answer: Answer, _fault: EmptyCandidates) -> Answer:
    return {**answer, "candidates": []}


def _with_unknown_finish(answer: Answer, fault: UnknownFinish) -> Answer:
    return {**answer, "candidates": [{**each, "finishReason": fault.reason} for each in answer.get("candidates", ())]}


def _with_usage(answer: Answer, fault: Usage) -> Answer:
    usage: dict[str, Any] = answer["usageMetadata"]
    if fault.counts == "missing":
        return {name: value for name, value in answer.items() if name != "usageMetadata"}
    if fault.counts == "no_details":
        return {**answer, "usageMetadata": {name: value for name, value in usage.items() if "Details" not in name}}
    said = {"negative": -5, "huge": _HUGE, "string": "many"}[fault.counts]
    return {**answer, "usageMetadata": {name: said if name.endswith("Count") else usage[name] for name in usage}}


def _with_other_name(answer: Answer, fault: Rename) -> Answer:
    return {**answer, "modelVersion": fault.model_version}


_SPOILERS: dict[type, Callable[[Answer, Any], Answer]] = {
    WrongMime: _with_wrong_mime,
    EmptyPicture: _with_empty_picture,
    BrokenBase64: _with_broken_base64,
    EmptyCandidates: _with_empty_candidates,
    UnknownFinish: _with_unknown_finish,
    Usage: _with_usage,
    Rename: _with_other_name,
}
