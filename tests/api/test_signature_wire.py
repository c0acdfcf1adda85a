"""Signatures in messages: ours are taken as they lie, others passed over, broken ones refused in their place."""

import json
from typing import Any

import pytest
from msgspec import Raw

from impasto.api.signature_wire import MAX_SIGNATURES, detail_body, parse_details
from impasto.completions.carried import SignedPart
from impasto.domain.chat import Stored
from impasto.domain.errors import Code, Failure
from impasto.domain.signatures import MAX_SIGNATURE_BYTES, CarriedSignature
from tests.fakes.blobs import MemoryStore

WHERE = "messages[1].reasoning_details"
ID = "image-0123456789abcdef"
OURS = {"type": "reasoning.encrypted", "id": ID, "index": 3, "format": "google-gemini-v1", "data": "c2ln"}


def parse(details: object, *, slashes: bool = False) -> tuple[CarriedSignature, ...]:
    raw = json.dumps(details)
    return parse_details(Raw((raw.replace("/", "\\/") if slashes else raw).encode()), WHERE)


def failure_of(details: object) -> Failure:
    with pytest.raises(Failure) as raised:
        parse(details)
    return raised.value


def test_ours_is_a_view_of_the_body() -> None:
    body = Raw(json.dumps([OURS]).encode())
    (signature,) = parse_details(body, WHERE)
    assert (signature.id, signature.index, signature.made_by) == (ID, 3, "google")
    assert isinstance(signature.data, memoryview)
    assert bytes(signature.data) == b"c2ln"


@pytest.mark.parametrize(
    ("detail", "index", "made_by"),
    [
        ({}, 3, "google"),
        ({"index": None}, 0, "google"),
        ({"format": "maker-v1"}, 3, "maker"),
        ({"signature": None, "summary": []}, 3, "google"),
    ],
)
def test_whose_it_is_and_where_it_belongs(detail: dict[str, object], index: int, made_by: str) -> None:
    (signature,) = parse([OURS | detail])
    assert (signature.index, signature.made_by) == (index, made_by)


@pytest.mark.parametrize(
    "details",
    [
        None, "words", {}, [], [1], [{}], [{"type": None}],
        [{"type": "reasoning.text", "text": "I think", "format": "anthropic-claude-v1", "index": 0}],
        [{"type": "reasoning.summary", "summary": "thought"}],
        [OURS | {"id": None}], [OURS | {"id": "tool_look_1"}], [OURS | {"format": None}], [OURS | {"format": 3}],
        [OURS | {"type": "reasoning.text"}],
    ],
)  # fmt: skip
def test_what_is_not_ours_is_passed_over(details: object) -> None:
    assert parse(details) == ()


def test_ours_are_found_among_others() -> None:
    (signature,) = parse([{"type": "reasoning.text", "text": "x"}, {"type": "reasoning.encrypted", "data": "?"}, OURS])
    assert signature.id == ID


def test_escaped_slashes_are_slashes() -> None:
    (signature,) = parse([OURS | {"data": "a/b/"}], slashes=True)
    assert bytes(signature.data) == b"a/b/"


@pytest.mark.parametrize("data", [None, 3, "", "c2 n", 'c2"n', "c2\\n", "ä", ["c2ln"]])
def test_what_is_no_base64_is_refused(data: Any) -> None:
    failure = failure_of([OURS, OURS | {"data": data}])
    assert (failure.code, failure.param) == (Code.INVALID_VALUE, f"{WHERE}[1].data")


def test_bounds() -> None:
    assert len(parse([OURS | {"data": "A" * MAX_SIGNATURE_BYTES}])) == 1
    failure = failure_of([OURS | {"data": "A" * (MAX_SIGNATURE_BYTES + 1)}])
    assert (failure.code, failure.param) == (Code.BODY_TOO_LARGE, f"{WHERE}[0].data")
    assert len(parse([OURS] * MAX_SIGNATURES)) == MAX_SIGNATURES
    assert failure_of([OURS] * (MAX_SIGNATURES + 1)).code is Code.INVALID_VALUE


@pytest.mark.parametrize(("made_by", "form"), [("google", "google-gemini-v1"), ("maker", "maker-v1")])
def test_what_goes_out_comes_back(made_by: str, form: str) -> None:
    body = detail_body(SignedPart(ID, 2, made_by, Stored(MemoryStore().open(), encoded=False)), b"c2ln")
    assert body["format"] == form
    (signature,) = parse([{**body, "data": "c2ln"}])
    assert (signature.id, signature.index, signature.made_by) == (ID, 2, made_by)
