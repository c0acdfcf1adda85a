"""What is wrong with a body, in the words of its sender."""

import msgspec
import pytest
from msgspec import Struct

from impasto.api.json_errors import not_json, wrong_shape
from impasto.domain.errors import Code, Failure


class _Inner(Struct, forbid_unknown_fields=True):
    role: str
    weights: list[float] | None = None


class _Outer(Struct):
    name: str
    inner: list[_Inner]
    flag: bool | None = None
    count: int = 0


def complaint(body: str, within: str = "") -> Failure:
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.json.decode(body, type=_Outer)
    return wrong_shape(wrong.value, within)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ("[]", None, "The body: Expected object, got array."),
        ("3", None, "The body: Expected object, got integer."),
        ('{"inner":[]}', "name", "name is missing."),
        ('{"name":"x","inner":[{}]}', "inner[0].role", "inner[0].role is missing."),
        ('{"name":3,"inner":[]}', "name", "name: Expected string, got integer."),
        ('{"name":"x","inner":[],"flag":"yes"}', "flag", "flag: Expected boolean or null, got string."),
        ('{"name":"x","inner":[],"count":1.5}', "count", "count: Expected integer, got number."),
        (
            '{"name":"x","inner":[{"role":"r"},{"role":"r","weights":[1,"a"]}]}',
            "inner[1].weights[1]",
            "inner[1].weights[1]: Expected number, got string.",
        ),
        (
            '{"name":"x","inner":[{"role":"r","size":1}]}',
            "inner[0]",
            "inner[0]: Object contains unknown field size.",
        ),
    ],
)
def test_the_field_is_named(body: str, param: str | None, message: str) -> None:
    failure = complaint(body)
    assert (failure.code, failure.param, failure.message) == (Code.INVALID_BODY, param, message)


@pytest.mark.parametrize("key", ["x" * 10_000, "a - at `$.b`", "`", "``", " - at `$", "int"])
def test_a_hostile_key_is_no_place(key: str) -> None:
    body = msgspec.json.encode({"name": "x", "inner": [{"role": "r", key: 1}]}).decode()
    failure = complaint(body)
    assert failure.param == "inner[0]"
    assert len(failure.message) < 300


def test_a_part_of_the_body_is_named_whole() -> None:
    assert complaint('{"name":1}', "messages[2]").param == "messages[2].name"
    assert complaint("[]", "messages[2]").param == "messages[2]"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "truncated"),
        (b'{"name":', "truncated"),
        (b"{'name': 1}", "malformed"),
        (b'{"name":NaN}', "malformed"),
        (b'\xef\xbb\xbf{"name":"x"}', "malformed"),
        (b'{"name":"\xff"}', "not UTF-8"),
        (b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_why(body: bytes, said: str) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)) as wrong:
        msgspec.json.decode(body, type=_Outer)
    failure = not_json(wrong.value)
    assert failure.code is Code.INVALID_JSON
    assert said in failure.message
