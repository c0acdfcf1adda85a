"""What a request may be recognised by: a key of its own, or its text where its client counts attempts."""

import pytest
from starlette.datastructures import Headers

from impasto.api.repeats import MAX_KEY_CHARACTERS, Repeatable, repeatable_of
from impasto.domain.errors import Code, Failure

BODY = b'{"model":"brush"}'
UUID = "7f1c3c0e-3b8a-4a50-9c39-3b5b6f0d2f11"


def repeatable(body: bytes | bytearray = BODY, shape: str = "content", **headers: str) -> Repeatable:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return repeatable_of(Headers(sent), body, shape)


def test_without_a_key_and_a_count_nothing_is_hashed() -> None:
    assert repeatable() == Repeatable()
    assert repeatable(prefer="wait=0", x_stainless_os="Linux") == Repeatable()


@pytest.mark.parametrize(
    ("sent", "same"),
    [
        (UUID, f'"{UUID}"'),
        (UUID, f' "{UUID}" '),
        (UUID, f"  {UUID} "),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("two words", '"two words"'),
    ],
)
def test_a_key_is_the_same_with_and_without_quotes(sent: str, same: str) -> None:
    assert repeatable(idempotency_key=sent).idempotency_hash == repeatable(idempotency_key=same).idempotency_hash


@pytest.mark.parametrize("other", [UUID.upper(), UUID + "1", f'"{UUID}', f"'{UUID}'", f'"{UUID}" x', f"{UUID};a=1"])
def test_other_keys_are_other_keys(other: str) -> None:
    assert repeatable(idempotency_key=other).idempotency_hash != repeatable(idempotency_key=UUID).idempotency_hash


@pytest.mark.parametrize("sent", ["", " ", '""', "x" * (MAX_KEY_CHARACTERS + 1), "a\x00b", "a\tb", '"a\x7f"', "a\x85b"])
def test_what_is_no_key_is_refused_by_name(sent: str) -> None:
    with pytest.raises(Failure) as raised:
        repeatable(idempotency_key=sent)
    assert (raised.value.code, raised.value.param) == (Code.INVALID_VALUE, "Idempotency-Key")
    assert "1 to 255" in raised.value.message


@pytest.mark.parametrize("sent", ["x", "x" * MAX_KEY_CHARACTERS, "ü", "*", "0"])
def test_whatever_is_printable_is_a_key(sent: str) -> None:
    assert repeatable(idempotency_key=sent).idempotency_hash is not None


def test_a_request_is_its_text_and_the_shape_that_its_address_stands_for() -> None:
    def hashed(body: bytes | bytearray = BODY, shape: str = "content") -> bytes | None:
        return repeatable(body, shape, idempotency_key=UUID).request_hash

    assert hashed() == hashed(bytearray(BODY))
    assert len({hashed(), hashed(BODY + b" "), hashed(shape="images"), hashed(b"")}) == 4
    assert hashed() == repeatable(x_stainless_retry_count="0").request_hash


@pytest.mark.parametrize(
    ("count", "is_retry"),
    [("0", False), ("1", True), ("2", True), ("00", False), ("9" * 50, True), ("-1", False), ("", False), ("x", False)],
)
def test_a_count_above_zero_says_that_it_is_a_repeat(count: str, is_retry: bool) -> None:
    found = repeatable(x_stainless_retry_count=count)
    assert (found.is_retry, found.idempotency_hash) == (is_retry, None)
    assert found.request_hash is not None


@pytest.mark.parametrize(
    ("preferred", "seconds"),
    [
        ("wait=0", 0), ("wait=10", 10), ("respond-async, wait=5", 5), ("wait=5;x=y", 5), ("return=minimal,wait=7", 7),
        ("Wait=3", 3), ("wait = 4", 4), ("", None), ("wait", None), ("wait=", None), ("wait=x", None),
        ("wait=-1", None), ("await=5", None), ("wait=1.5", None), ("wait=99999999", None), ("respond-async", None),
    ],
)  # fmt: skip
def test_how_long_it_would_wait(preferred: str, seconds: float | None) -> None:
    assert repeatable(idempotency_key=UUID, prefer=preferred).wait_seconds == seconds
