"""The body of a request: what is taken, what is refused by name, and what is reported back."""

import json
import tracemalloc
from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.api.chat_wire import (
    INERT_FIELDS,
    MAX_IGNORED,
    MAX_NAME_CHARACTERS,
    REFUSED_FIELDS,
    ChatBody,
    parse_chat_body,
)
from impasto.domain.chat import ChatRequest, ImagePart, Message, Sampling, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.image import ImageConfig
from impasto.domain.retention import Keeps
from tests.api.surface import PICTURE, data_url, png, request_body


def parse(**fields: object) -> ChatBody:
    return parse_chat_body(json.dumps(request_body(**fields)).encode())


def refusal(**fields: object) -> Failure:
    with pytest.raises(Failure) as refused:
        parse(**fields)
    assert len(refused.value.message) < 400
    return refused.value


def raw_refusal(body: bytes) -> Failure:
    with pytest.raises(Failure) as refused:
        parse_chat_body(bytearray(body))
    return refused.value


def outcome(body: bytes) -> Failure | None:
    """How `body` is refused, if it is."""
    try:
        parse_chat_body(bytearray(body))
    except Failure as failure:
        return failure
    return None


def test_the_seeds_first_request() -> None:
    body = b"""{
      "model": "google/gemini-3.1-flash-image-preview",
      "messages": [
        {"role": "user", "content": "A nano banana dish in a fancy restaurant, cinematic lighting"}
      ],
      "image_config": {"aspect_ratio": "16:9", "image_size": "2K"}
    }"""
    words = TextPart("A nano banana dish in a fancy restaurant, cinematic lighting")
    asked = ChatRequest(
        "google/gemini-3.1-flash-image-preview", (Message("user", (words,)),), ImageConfig("16:9", "2K")
    )
    assert parse_chat_body(body) == ChatBody(asked, None, ())


def test_the_seeds_second_request() -> None:
    content = [
        {"type": "text", "text": "Turn this photo into a watercolor painting, keep the composition"},
        {"type": "image_url", "image_url": {"url": data_url(PICTURE)}},
    ]
    (message,) = parse(messages=[{"role": "user", "content": content}]).request.messages
    text, picture = message.parts
    assert text == TextPart("Turn this photo into a watercolor painting, keep the composition")
    assert isinstance(picture, ImagePart)
    assert bytes(picture.base64) == b64encode(PICTURE)


# --- image_config ---


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (..., ImageConfig()),
        (None, ImageConfig()),
        ({}, ImageConfig()),
        ({"aspect_ratio": "1:1"}, ImageConfig("1:1")),
        ({"image_size": "4K"}, ImageConfig(None, "4K")),
        ({"aspect_ratio": None, "image_size": None}, ImageConfig()),
        ({"aspect_ratio": "nonsense", "image_size": ""}, ImageConfig("nonsense", "")),
    ],
)
def test_image_config_in_every_form(config: object, expected: ImageConfig) -> None:
    assert parse(image_config=config).request.image_config == expected


@pytest.mark.parametrize(
    ("config", "param"),
    [
        ({"aspect_ratio": "1:1", "image_size": "1K", "quality": "hd"}, "image_config"),
        ({"Aspect_Ratio": "1:1"}, "image_config"),
        ({"aspect_ratio": 1}, "image_config.aspect_ratio"),
        ({"image_size": ["1K"]}, "image_config.image_size"),
        ([], "image_config"),
        ("16:9", "image_config"),
        (False, "image_config"),
    ],
)
def test_a_wrong_image_config_is_named(config: object, param: str) -> None:
    failure = refusal(image_config=config)
    assert (failure.code, failure.param) == (Code.INVALID_BODY, param)
    assert "aspect_ratio and image_size" in failure.message


def test_a_third_key_is_named() -> None:
    assert "quality" in refusal(image_config={"quality": "hd"}).message


# --- the ordinary fields ---


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Sampling()),
        ({"temperature": 0, "top_p": 1}, Sampling(temperature=0.0, top_p=1.0)),
        ({"temperature": 1.5, "seed": -1}, Sampling(temperature=1.5, seed=-1)),
        ({"max_tokens": 10}, Sampling(max_tokens=10)),
        ({"max_completion_tokens": 10}, Sampling(max_tokens=10)),
        ({"max_tokens": 20, "max_completion_tokens": 10}, Sampling(max_tokens=10)),
        ({"max_tokens": 10, "max_completion_tokens": 20}, Sampling(max_tokens=10)),
        ({"stop": "end"}, Sampling(stop=("end",))),
        ({"stop": ["a", "b"]}, Sampling(stop=("a", "b"))),
        ({"stop": []}, Sampling()),
        ({"stop": ""}, Sampling()),
        ({"stop": None, "temperature": None, "seed": None, "max_tokens": None}, Sampling()),
        ({"presence_penalty": -2, "frequency_penalty": 2}, Sampling(presence_penalty=-2.0, frequency_penalty=2.0)),
        ({"reasoning_effort": "high"}, Sampling(reasoning_effort="high")),
        ({"n": 1, "stream": False}, Sampling()),
        ({"n": None, "stream": None}, Sampling()),
    ],
)
def test_sampling(fields: dict[str, object], expected: Sampling) -> None:
    body = parse(**fields)
    assert body.request.sampling == expected
    assert body.ignored == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ...}, "model"),
        ({"model": None}, "model"),
        ({"model": 1}, "model"),
        ({"messages": ...}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "a cat"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["a cat"]}, "messages[0]"),
        ({"messages": [{"content": "a cat"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "images": {}}]}, "messages[0].images"),
        ({"messages": [{"role": "user", "images": [{"image_url": "x"}]}]}, "messages[0].images[0].type"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "10"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"seed": True}, "seed"),
        ({"stop": 1}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": "false"}, "stream"),
        ({"stream": 0}, "stream"),
        ({"n": "1"}, "n"),
        ({"modalities": "image"}, "modalities"),
        ({"modalities": [1]}, "modalities[0]"),
        ({"image_output": 1}, "image_output"),
        ({"image_delivery": {}}, "image_delivery"),
        ({"include_signatures": "yes"}, "include_signatures"),
        ({"include_signatures": 1}, "include_signatures"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"max_cost": []}, "max_cost"),
        ({"max_cost": "cheap"}, "max_cost"),
    ],
)
@pytest.mark.parametrize("unknown", [{}, {"unknown": 1}])
def test_a_wrong_type_is_named(fields: dict[str, object], param: str, unknown: dict[str, object]) -> None:
    failure = refusal(**fields, **unknown)
    assert (failure.code, failure.param) == (Code.INVALID_BODY, param)
    assert failure.message.startswith(param)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"n": 11}, Code.INVALID_VALUE, "n"),
        ({"n": 0}, Code.INVALID_VALUE, "n"),
        ({"image_output": "neither"}, Code.INVALID_VALUE, "image_output"),
        ({"image_output": "x" * 9999}, Code.INVALID_VALUE, "image_output"),
        ({"image_delivery": "pigeon"}, Code.INVALID_VALUE, "image_delivery"),
        ({"modalities": ["text", "audio"]}, Code.INVALID_VALUE, "modalities"),
    ],
)
def test_what_is_not_possible_is_named_with_the_choices(fields: dict[str, object], code: Code, param: str) -> None:
    failure = refusal(**fields)
    assert (failure.code, failure.param) == (code, param)
    assert param in failure.message


def test_modalities_are_each_asked_once() -> None:
    assert parse(modalities=["text", "image", "text"]).request.modalities == ("text", "image")
    assert parse(modalities=[]).request.modalities == ()
    assert parse(modalities=None).shape is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [("0", "0"), ("0.05", "0.05"), ("1e-3", "0.001"), ("12", "12"), ('"0.05"', "0.05"), ("0.1234567890123", None)],
)
def test_max_cost_is_read_exactly(number: str, expected: str | None) -> None:
    body = json.dumps(request_body()).removesuffix("}") + f',"max_cost":{number}}}'
    assert parse_chat_body(body.encode()).request.max_cost == Decimal(expected or number)


@pytest.mark.parametrize(
    "number",
    ['"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', "-1", "-0.01", "1e999999", "1e-999999", "0e-999999", "9" * 500],
)
def test_max_cost_that_is_no_money_is_refused(number: str) -> None:
    failure = raw_refusal((json.dumps(request_body()).removesuffix("}") + f',"max_cost":{number}}}').encode())
    assert (failure.code, failure.param) == (Code.INVALID_VALUE, "max_cost")
    assert len(failure.message) < 200


@pytest.mark.parametrize(("asked", "are_wanted"), [(..., False), (None, False), (False, False), (True, True)])
def test_signatures_come_where_they_are_asked_for(asked: object, are_wanted: bool) -> None:
    assert parse(include_signatures=asked).signatures is are_wanted


# --- fields that are not honoured ---


@pytest.mark.parametrize("name", sorted(REFUSED_FIELDS))
def test_a_field_that_would_change_the_answer_is_refused(name: str) -> None:
    failure = refusal(**{name: {"type": "json_object"}})
    assert (failure.code, failure.param) == (Code.UNSUPPORTED, name)
    assert name in failure.message


@pytest.mark.parametrize("name", sorted(REFUSED_FIELDS))
@pytest.mark.parametrize("value", [None, False, [], {}, "", "auto", "none", "default", 0])
def test_the_same_field_with_nothing_in_it_is_harmless(name: str, value: object) -> None:
    assert parse(**{name: value}).ignored == ()


def test_what_is_the_default_anyway_is_harmless() -> None:
    assert parse(thinking={"type": "disabled"}).ignored == ()
    assert refusal(functions={"type": "disabled"}).param == "functions"


def test_white_space_makes_nothing_harmful() -> None:
    body = json.dumps(request_body()).removesuffix("}") + ', "functions" : [ ] , "thinking": { "type" : "disabled" } }'
    assert parse_chat_body(body.encode()).ignored == ()


def test_bookkeeping_is_taken_without_a_word() -> None:
    assert parse(**{name: {"any": "thing"} for name in INERT_FIELDS}).ignored == ()


def test_unknown_fields_are_reported_by_name() -> None:
    assert parse(zebra=1, apple=[1, 2]).ignored == ("apple", "zebra")


def test_the_report_is_bounded() -> None:
    ignored = parse(**{f"field{number}" + "x" * 1000: 1 for number in range(1000)}).ignored
    assert len(ignored) == MAX_IGNORED
    assert max(len(name) for name in ignored) <= 100


# --- hostile JSON ---

_DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf" + json.dumps(request_body()).encode(),
        json.dumps(request_body()).encode() + b"x",
        json.dumps(request_body()).encode("utf-16"),
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":Infinity}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],}',
        b'{"model":"m","messages":[{"role":"user","content":"a\nb"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\x"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"\\udc00","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"m\xff","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"\xc3("}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"\xff"}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":"data:image/png;base64,\xff\xff\xff\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":"\xff"}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"h\xff"}}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"\xff"}}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"image_config":{"image_size":"\xff"}}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"image_config":{"\xff":"1K"}}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"\xff":1}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":"\xff"}',
        b'{"model":"m","messages":[{"role":"user","content":' + b"[" * _DEEP + b"]" * _DEEP + b"}]}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"zz":' + b"[" * _DEEP + b"]" * _DEEP + b"}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":'
        + b'{"a":' * _DEEP
        + b"1"
        + b"}" * _DEEP
        + b"}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"image_config":' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    ],
)
def test_what_is_no_json_in_utf8_is_400(body: bytes) -> None:
    failure = raw_refusal(body)
    assert failure.code is Code.INVALID_JSON
    assert len(failure.message) < 200


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"text"', b"true", b"[" * _DEEP])
def test_json_that_is_no_object_is_a_wrong_shape(body: bytes) -> None:
    assert raw_refusal(body).code is Code.INVALID_BODY


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    body = b'{"model":"a","model":"b","messages":[{"role":"user","content":"x","content":"y"}],"tools":[1],"tools":[]}'
    request = parse_chat_body(body).request
    assert (request.model, request.messages[0].parts) == ("b", (TextPart("y"),))


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_FIELD_NAMES = sorted(
    {
        *REFUSED_FIELDS,
        "include_signatures",
        "tools",
        "tool_choice",
        "response_format",
        "n",
        "stop",
        "seed",
        "stream",
        "max_cost",
        "image_config",
        "messages",
        "model",
    }
)


@given(st.sampled_from(_FIELD_NAMES), _JSON)
def test_any_value_in_any_field_is_taken_or_refused_by_name(name: str, value: object) -> None:
    failure = outcome(json.dumps(request_body(**{name: value})).encode())
    assert failure is None or (failure.param or "").startswith(name)


@given(st.sampled_from(["content", "images", "text", "refusal", "role", "tool_calls", "reasoning_details"]), _JSON)
def test_any_value_in_a_message_is_taken_or_refused_by_name(name: str, value: object) -> None:
    message = {"role": "assistant" if name == "reasoning_details" else "user", "content": "x"} | {name: value}
    failure = outcome(json.dumps(request_body(messages=[message])).encode())
    assert failure is None or (failure.param or "").startswith("messages[0]")


_ORDINARY = json.dumps(
    request_body(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(png(33))}}]}],
        image_config={"aspect_ratio": "1:1"},
        unknown="\u00fc",
    ),
    ensure_ascii=False,
).encode()


@given(st.integers(0, len(_ORDINARY)), st.integers(0, 9), st.binary(max_size=9))
@example(0, 0, b"")
def test_a_spoilt_body_is_taken_or_refused(start: int, length: int, spoilt: bytes) -> None:
    failure = outcome(_ORDINARY[:start] + spoilt + _ORDINARY[start + length :])
    assert failure is None or failure.message.endswith((".", "…"))


# --- pictures stay where they are ---


def _with_picture(part: object) -> bytearray:
    return bytearray(json.dumps(request_body(messages=[{"role": "user", "content": part}])).encode())


_URL = data_url(png(20 << 20))


@pytest.mark.parametrize(
    "content",
    [
        _URL,
        [{"type": "image_url", "image_url": {"url": _URL}}],
        [{"type": "image_url", "image_url": _URL}],
        [{"type": "file", "file": {"file_data": _URL}}],
    ],
    ids=["content", "image_url", "bare image_url", "file_data"],
)
def test_a_picture_of_27_megabytes_is_a_view_of_the_body(content: object) -> None:
    body = _with_picture(content)
    tracemalloc.start()
    try:
        request = parse_chat_body(body).request
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    ((picture,),) = [message.parts for message in request.messages]
    assert isinstance(picture, ImagePart)
    assert peak < 1 << 20
    assert isinstance(picture.base64, memoryview)
    start = body.index(b"iVBOR")
    body[start + 1000 : start + 1004] = b"!!!!"
    assert bytes(picture.base64[1000:1004]) == b"!!!!"


def test_a_signature_is_a_view_of_the_body_too() -> None:
    detail = {"type": "reasoning.encrypted", "id": "image-0123456789abcdef", "format": "google-gemini-v1"}
    message = {"role": "assistant", "content": "x", "reasoning_details": [detail | {"data": "SIGN" * (3 << 18)}]}
    body = bytearray(json.dumps(request_body(messages=[message])).encode())
    tracemalloc.start()
    try:
        request = parse_chat_body(body).request
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    ((signature,),) = [message.carried for message in request.messages]
    assert peak < 1 << 20
    assert isinstance(signature.data, memoryview)
    assert len(signature.data) == 3 << 20
    start = body.index(b"SIGN")
    body[start + 1000 : start + 1004] = b"!!!!"
    assert bytes(signature.data[1000:1004]) == b"!!!!"


def test_an_unknown_field_costs_no_copy_either() -> None:
    body = _with_picture(_URL)
    body[-1:] = b',"unknown":1}'
    tracemalloc.start()
    try:
        parsed = parse_chat_body(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert parsed.ignored == ("unknown",)
    assert peak < 1 << 20


# --- what is kept, and under which names ---


def test_names_for_a_conversation_and_a_person() -> None:
    body = parse(session_id="s-1", user="ann", retention="pictures")
    assert (body.session_id, body.end_user, body.keeps, body.ignored) == ("s-1", "ann", Keeps.PICTURES, ())
    body = parse()
    assert (body.session_id, body.end_user, body.keeps) == (None, None, None)
    body = parse(session_id="", user="", safety_identifier="")
    assert (body.session_id, body.end_user) == (None, None)


def test_a_person_may_be_named_in_either_field() -> None:
    assert parse(safety_identifier="bob").end_user == "bob"
    assert parse(user="ann", safety_identifier="bob").end_user == "ann"
    assert parse(user="", safety_identifier="bob").end_user == "bob"


@pytest.mark.parametrize("field", ["session_id", "user", "safety_identifier"])
def test_a_name_fits_into_a_row(field: str) -> None:
    longest = "é" * MAX_NAME_CHARACTERS
    body = parse(**{field: longest})
    assert longest in (body.session_id, body.end_user)
    for wrong in (longest + "x", "a\0b"):
        failure = refusal(**{field: wrong})
        assert (failure.code, failure.param) == (Code.INVALID_VALUE, field)
    nones: tuple[object, ...] = (1, ["a"], {})
    for none in nones:
        failure = refusal(**{field: none})
        assert (failure.code, failure.param) == (Code.INVALID_BODY, field)


@pytest.mark.parametrize("retention", ["all", "pictures", "none"])
def test_how_much_is_kept(retention: str) -> None:
    assert parse(retention=retention).keeps == retention


@pytest.mark.parametrize("retention", ["", "ALL", "nothing", "7d", "x" * 1000])
def test_what_is_no_retention_is_refused_with_the_choices(retention: str) -> None:
    failure = refusal(retention=retention)
    assert (failure.code, failure.param) == (Code.INVALID_VALUE, "retention")
    assert all(choice in failure.message for choice in ("all", "pictures", "none"))
