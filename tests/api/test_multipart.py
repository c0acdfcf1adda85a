"""Forms: files go on in pieces, words are bounded, and what is not whole is refused, however it is cut."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from impasto.api.body import CallerLeftError
from impasto.api.multipart import MAX_PARTS, MAX_TEXT_BYTES, WriteFile, read_form
from impasto.domain.errors import Code, Failure
from tests.fakes.forms import BOUNDARY, CONTENT_TYPE, File, form

MOST = 1 << 20
PICTURE = bytes(range(256)) * 20 + b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n\r"
FORM = form(("purpose", "a photo of Zoë"), ("file", File(PICTURE, "Zoë.png")), ("tag", "a"), ("tag", "b"), ("none", ""))


@dataclass(slots=True)
class Taken:
    """The files that came, by field and name, in the pieces in which they came."""

    files: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)

    def take(self, field_name: str, file_name: str) -> WriteFile:
        return self.files.setdefault((field_name, file_name), []).append

    @property
    def contents(self) -> dict[tuple[str, str], bytes]:
        return {name: b"".join(pieces) for name, pieces in self.files.items()}


async def read(
    pieces: Sequence[bytes], content_type: str = CONTENT_TYPE, *, stays: bool = True
) -> tuple[dict[str, list[str]], Taken]:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": not stays or index + 1 < len(pieces)}
        for index, piece in enumerate(pieces)
    ]
    messages.append({"type": "http.disconnect"})
    taken = Taken()
    scope = {"type": "http", "headers": [(b"content-type", content_type.encode("latin-1"))]}

    async def receive() -> Message:
        return messages.pop(0)

    return await read_form(scope, receive, MOST, taken.take), taken


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(st.lists(st.integers(0, len(FORM)), max_size=12))
async def test_a_form_is_the_same_however_it_is_cut(places: list[int]) -> None:
    texts, taken = await read(cut(FORM, places))
    assert texts == {"purpose": ["a photo of Zoë"], "tag": ["a", "b"], "none": [""]}
    assert taken.contents == {("file", "Zoë.png"): PICTURE}


async def test_a_form_is_read_byte_by_byte() -> None:
    _, taken = await read([bytes([byte]) for byte in FORM])
    assert taken.contents == {("file", "Zoë.png"): PICTURE}


@given(st.integers(0, FORM.rindex(b"--") + 1))
async def test_half_a_form_is_refused(end: int) -> None:
    with pytest.raises(Failure, match="no whole form") as refused:
        await read([FORM[:end]])
    assert refused.value.code is Code.INVALID_BODY


@given(st.integers(0, len(FORM)), st.binary(max_size=20), st.integers(0, 40))
async def test_a_spoiled_form_is_read_or_refused(at: int, noise: bytes, skipped: int) -> None:
    try:
        await read([FORM[:at] + noise + FORM[at + skipped :]])
    except Failure as failure:
        assert failure.code is Code.INVALID_BODY  # noqa: PT017 - most are, and some are forms still


@given(st.binary(max_size=300))
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Failure, match="no whole form"):
        await read([body])


async def test_a_file_goes_on_in_the_pieces_in_which_it_came() -> None:
    data = bytes(300_000)
    _, taken = await read(cut(form(("file", File(data))), range(0, 400_000, 10_000)))
    (pieces,) = taken.files.values()
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 10_000


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/mixed; boundary=x", "multipart/form-data", "multipart/form-data; boundary="],
)
async def test_another_type_of_body_is_told_what_is_taken(content_type: str) -> None:
    with pytest.raises(Failure, match="curl -F") as refused:
        await read([FORM], content_type)
    assert (refused.value.code, refused.value.param) == (Code.INVALID_BODY, "content-type")


@given(st.text(st.characters(max_codepoint=255), max_size=400))
async def test_no_boundary_breaks_anything(boundary: str) -> None:
    with pytest.raises(Failure):
        await read([b"neither"], f"multipart/form-data; boundary={boundary}")


@pytest.mark.parametrize("quoted", [f'"{BOUNDARY}"', BOUNDARY, f"{BOUNDARY}; charset=utf-8"])
async def test_a_boundary_may_be_in_quotes(quoted: str) -> None:
    texts, _ = await read([FORM], f"Multipart/Form-Data; boundary={quoted}")
    assert texts["tag"] == ["a", "b"]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"", "no name"),
        (b"Content-Disposition: form-data", "no name"),
        (b'Content-Disposition: attachment; name="file"', "no name"),
        (b'Content-Disposition: form-data; name="\xff"', "not UTF-8"),
        (b"Content-Disposition: form-data; name=" + b"x" * 5000, "header size"),
        (b"\r\n".join(b"X-%d: y" % number for number in range(20)), "header count"),
    ],
)
async def test_a_part_that_is_not_as_it_should_be_is_refused(head: bytes, why: str) -> None:
    body = f"--{BOUNDARY}\r\n".encode() + head + (b"\r\n" if head else b"") + b"\r\nx\r\n" + form()
    with pytest.raises(Failure, match=why):
        await read([body])


async def test_words_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(Failure, match="not UTF-8"):
        await read([form(("purpose", "Zoë")).replace("ë".encode(), b"\xeb")])


async def test_a_file_name_that_is_not_utf_8_is_shown_as_well_as_it_can_be() -> None:
    _, taken = await read([form(("file", File(b"x", "Zoë.png"))).replace("ë".encode(), b"\xeb")])
    assert list(taken.files) == [("file", "Zo\ufffd.png")]


async def test_many_words_are_refused() -> None:
    fields = [("a", "x" * (MAX_TEXT_BYTES // 2)), ("b", "x" * (MAX_TEXT_BYTES // 2 + 1))]
    with pytest.raises(Failure, match="256 KB of text"):
        await read([form(*fields)])


async def test_many_fields_are_refused() -> None:
    texts, _ = await read([form(*[("a", "")] * MAX_PARTS)])
    assert len(texts["a"]) == MAX_PARTS
    with pytest.raises(Failure, match=f"more than {MAX_PARTS}"):
        await read([form(*[("a", "")] * (MAX_PARTS + 1))])


async def test_what_is_too_large_is_refused_as_soon_as_it_shows() -> None:
    body = form(("file", File(bytes(MOST))))
    with pytest.raises(Failure) as refused:
        await read(cut(body, range(0, len(body), 1 << 16)))
    assert refused.value.code is Code.BODY_TOO_LARGE


async def test_a_caller_who_leaves_is_noticed() -> None:
    with pytest.raises(CallerLeftError):
        await read([FORM[:100]], stays=False)


async def test_what_the_taker_refuses_is_refused() -> None:
    def refuse(_: str, __: str) -> WriteFile:
        raise Failure(Code.UNSUPPORTED, "No files here.")

    async def receive() -> Message:
        return {"type": "http.request", "body": FORM}

    scope = {"type": "http", "headers": [(b"content-type", CONTENT_TYPE.encode())]}
    with pytest.raises(Failure, match="No files here"):
        await read_form(scope, receive, MOST, refuse)
