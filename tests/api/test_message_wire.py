"""Messages: all shapes of content, earlier answers taken back, and every refusal in its place."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from impasto.api.message_wire import MAX_PARTS, MAX_TEXT_CHARACTERS, MessageBody, parse_messages
from impasto.domain.chat import Handle, ImageLink, ImagePart, Message, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.tools import ToolCall, ToolResult
from tests.api.surface import PICTURE, data_url, png

URL = data_url(PICTURE)
OTHER = png(60, 1, 1)
LINK = "https://pictures.test/cat.png"
_decoder = msgspec.json.Decoder(list[MessageBody])


def parse(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return parse_messages(_decoder.decode(msgspec.json.encode(messages)))


def parts(**message: Any) -> list[object]:
    """The parts of one message, each as its words, its picture's bytes or its link."""
    (parsed,) = parse({"role": "user"} | message)
    return [told(part) for part in parsed.parts]


def told(part: object) -> object:
    match part:
        case TextPart(text):
            return text
        case ImagePart(base64):
            return msgspec.json.decode(b'"' + bytes(base64) + b'"', type=bytes)
        case _:
            return part


def picture(url: object) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("words", ["words"]),
        ("", []),
        (None, []),
        ([], []),
        ([{"type": "text", "text": "words"}], ["words"]),
        ([{"type": "text", "text": ""}], [""]),
        ([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}], ["a", "b"]),
        ([{"type": "refusal", "refusal": "no"}], ["no"]),
        ([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], ["a"]),
        (URL, [PICTURE]),
        ([{"type": "text", "text": "a"}, picture(URL), {"type": "text", "text": "b"}], ["a", PICTURE, "b"]),
        ([{"type": "image_url", "image_url": {"url": URL, "detail": "high"}}], [PICTURE]),
        ([{"type": "image_url", "image_url": URL}], [PICTURE]),
        ([{"type": "image_url", "image_url": LINK}], [ImageLink(LINK, "messages[0].content[0].image_url")]),
        ([picture(LINK)], [ImageLink(LINK, "messages[0].content[0].image_url.url")]),
        ([{"type": "file", "file": {"file_data": URL, "filename": "cat.png"}}], [PICTURE]),
        ([{"type": "file", "file": {"file_data": b64encode(PICTURE).decode()}}], [PICTURE]),
        ([{"type": "file", "file": {"file_data": URL, "file_id": "some-id"}}], [PICTURE]),
        ([{"type": "file", "file": {"file_id": LINK}}], [ImageLink(LINK, "messages[0].content[0].file.file_id")]),
        ([{"type": "file", "file": {"file_id": LINK, "file_data": None}}],
         [ImageLink(LINK, "messages[0].content[0].file.file_id")]),
        ("data:image/png is my favourite", ["data:image/png is my favourite"]),
        ('\U0001f34c \u0000 \\ " é', ['\U0001f34c \u0000 \\ " é']),
    ],
)  # fmt: skip
def test_content_in_every_shape(content: object, expected: list[object]) -> None:
    assert parts(content=content) == expected


def test_no_content_at_all_is_none() -> None:
    assert parts() == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"content": URL}, [PICTURE]),
        ({"content": URL, "text": "Here:", "refusal": None}, ["Here:", PICTURE]),
        ({"content": "Here:", "images": [picture(URL)]}, ["Here:", PICTURE]),
        ({"content": "", "images": [{"index": 0} | picture(URL), picture(data_url(OTHER))]}, [PICTURE, OTHER]),
        ({"content": URL, "text": "Here:", "images": [picture(data_url(OTHER)), picture(URL)]},
         ["Here:", OTHER, PICTURE]),
        ({"content": [{"type": "text", "text": "Here:"}, picture(URL)]}, ["Here:", PICTURE]),
        ({"content": [picture(URL)], "images": [picture(data_url(OTHER))]}, [PICTURE, OTHER]),
        ({"content": None, "refusal": "I cannot."}, ["I cannot."]),
        ({"content": None, "refusal": "I cannot.", "text": "I cannot."}, ["I cannot."]),
        ({"content": "words", "images": None, "text": None, "tool_calls": None}, ["words"]),
        ({"content": "words", "images": [], "text": "", "tool_calls": []}, ["words"]),
        ({"content": "words", "annotations": [], "reasoning_content": "hm", "name": "x"}, ["words"]),
    ],
)  # fmt: skip
def test_an_earlier_answer_is_taken_back_in_its_shape(answer: dict[str, Any], expected: list[object]) -> None:
    assert parts(role="assistant", **answer) == expected


@pytest.mark.parametrize(
    ("role", "meant"),
    [("system", "system"), ("developer", "system"), ("user", "user"), ("assistant", "assistant")],
)
def test_roles(role: str, meant: str) -> None:
    (message,) = parse({"role": role, "content": "x"})
    assert message == Message(meant, (TextPart("x"),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"role": "tool", "content": "x"}, Code.INVALID_BODY, "tool_call_id"),
        ({"role": "USER", "content": "x"}, Code.INVALID_VALUE, "role"),
        ({"role": "x" * 10_000}, Code.INVALID_VALUE, "role"),
        ({"role": "assistant", "function_call": {"name": "look"}}, Code.UNSUPPORTED, "function_call"),
        ({"role": "user", "content": 3}, Code.INVALID_BODY, "content"),
        ({"role": "user", "content": {"type": "text"}}, Code.INVALID_BODY, "content"),
        ({"role": "user", "content": True}, Code.INVALID_BODY, "content"),
        ({"role": "user", "content": ["x"]}, Code.INVALID_BODY, "content[0]"),
        ({"role": "user", "content": [None]}, Code.INVALID_BODY, "content[0]"),
        ({"role": "user", "content": [{}]}, Code.INVALID_BODY, "content[0].type"),
        ({"role": "user", "content": [{"type": 1}]}, Code.INVALID_BODY, "content[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, Code.INVALID_BODY, "content[0].text"),
        ({"role": "user", "content": [{"type": "text", "text": 1}]}, Code.INVALID_BODY, "content[0].text"),
        ({"role": "user", "content": [{"type": "refusal"}]}, Code.INVALID_BODY, "content[0].refusal"),
        ({"role": "user", "content": [{"type": "image_url"}]}, Code.INVALID_BODY, "content[0].image_url"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": 1}]}, Code.INVALID_BODY,
         "content[0].image_url"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, Code.INVALID_BODY,
         "content[0].image_url.url"),
        ({"role": "user", "content": [picture(1)]}, Code.INVALID_BODY, "content[0].image_url.url"),
        ({"role": "user", "content": [picture("cat.png")]}, Code.INVALID_IMAGE, "content[0].image_url.url"),
        ({"role": "user", "content": [{"type": "file"}]}, Code.INVALID_BODY, "content[0].file"),
        ({"role": "user", "content": [{"type": "file", "file": {}}]}, Code.INVALID_BODY, "content[0].file.file_data"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_data": 1}}]}, Code.INVALID_BODY,
         "content[0].file.file_data"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERi0xLjc="}}]},
         Code.UNSUPPORTED_MEDIA_TYPE, "content[0].file.file_data"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": "file abc"}}]}, Code.INVALID_IMAGE,
         "content[0].file.file_id"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, Code.UNSUPPORTED,
         "content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "x" * 1000}]}, Code.UNSUPPORTED,
         "content[1].type"),
        ({"role": "assistant", "images": [picture("cat.png")]}, Code.INVALID_IMAGE, "images[0].image_url.url"),
        ({"role": "user", "content": "data:image/png;base64,!"}, Code.INVALID_IMAGE, "content"),
        ({"role": "user", "content": "data:image/svg+xml,<svg/>"}, Code.INVALID_IMAGE, "content"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field(message: dict[str, Any], code: Code, param: str) -> None:
    with pytest.raises(Failure) as refused:
        parse({"role": "user", "content": "before"}, message)
    assert (refused.value.code, refused.value.param) == (code, f"messages[1].{param}")
    assert f"messages[1].{param}" in refused.value.message
    assert len(refused.value.message) < 300


def test_pictures_are_no_text() -> None:
    parse(*[{"role": "user", "content": data_url(png(1 << 20))}] * 3)


@pytest.mark.parametrize("messages", [1, 3])
def test_too_many_words_are_too_many_in_all(messages: int) -> None:
    size = MAX_TEXT_CHARACTERS // messages
    parse(*[{"role": "user", "content": "é" * size}] * messages)
    with pytest.raises(Failure, match="pictures do not count") as refused:
        parse(*[{"role": "user", "content": "é" * (size + 1)}] * messages)
    assert (refused.value.code, refused.value.param) == (Code.BODY_TOO_LARGE, "messages")


def test_too_many_parts_are_too_many_in_all() -> None:
    words = {"type": "text", "text": ""}
    parse(*[{"role": "user", "content": [words] * (MAX_PARTS // 2)}] * 2)
    with pytest.raises(Failure, match=str(MAX_PARTS)) as refused:
        parse(*[{"role": "user", "content": [words] * (MAX_PARTS // 2 + 1)}] * 2)
    assert (refused.value.code, refused.value.param) == (Code.INVALID_VALUE, "messages")


# --- functions ---


def call(
    call_id: str = "1", name: str = "weather", arguments: str | None = '{"a": 1}', **fields: Any
) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}} | fields


def result(call_id: str = "1", content: object = "rain") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def calling(*calls: dict[str, Any], content: object = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls or (call(),))}


def test_calls_and_what_came_of_them() -> None:
    signed = call("2", "clock", None, extra_content={"google": {"thought_signature": "c2ln"}, "other": 1})
    messages = parse(calling(call(), signed, content="Wait."), result("2", [{"type": "text", "text": "5"}]), result())
    assert messages == (
        Message(
            "assistant",
            (TextPart("Wait."), ToolCall("1", "weather", '{"a": 1}'), ToolCall("2", "clock", "{}", "c2ln")),
        ),
        Message("tool", (ToolResult("2", "clock", "5"),)),
        Message("tool", (ToolResult("1", "weather", "rain"),)),
    )


@pytest.mark.parametrize("content", [None, "", []])
def test_a_call_needs_no_words_and_neither_does_its_result(content: object) -> None:
    first, second = parse(calling(content=content), result(content=content))
    assert first.parts == (ToolCall("1", "weather", '{"a": 1}'),)
    assert second.parts == (ToolResult("1", "weather", ""),)


def test_the_same_id_may_come_again_in_a_later_turn() -> None:
    assert len(parse(calling(), result(), calling(), result())) == 4


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ([calling(), result("9")], Code.INVALID_VALUE, "messages[1].tool_call_id"),
        ([result()], Code.INVALID_VALUE, "messages[0].tool_call_id"),
        ([calling(), result(), result()], Code.INVALID_VALUE, "messages[2].tool_call_id"),
        ([calling()], Code.INVALID_VALUE, "messages[0].tool_calls"),
        ([calling(call(), call("2")), result()], Code.INVALID_VALUE, "messages[0].tool_calls"),
        ([calling(), {"role": "user", "content": "x"}, result()], Code.INVALID_VALUE, "messages[0].tool_calls"),
        ([calling(call(), call())], Code.INVALID_VALUE, "messages[0].tool_calls"),
        ([calling(call(name="9 lives"))], Code.INVALID_VALUE, "messages[0].tool_calls[0].function.name"),
        ([calling(call(arguments="x"))], Code.INVALID_VALUE, "messages[0].tool_calls[0].function.arguments"),
        ([calling(call(arguments="[1]"))], Code.INVALID_VALUE, "messages[0].tool_calls[0].function.arguments"),
        ([calling(call(arguments='{"a":1e999}'))], Code.INVALID_VALUE, "messages[0].tool_calls[0].function.arguments"),
        ([calling(call(arguments='{"a":"' + "x" * MAX_TEXT_CHARACTERS + '"}'))], Code.BODY_TOO_LARGE,
         "messages[0].tool_calls[0].function.arguments"),
        ([calling(call(extra_content={"google": {"thought_signature": "!"}}))], Code.INVALID_VALUE,
         "messages[0].tool_calls[0].extra_content.google.thought_signature"),
        ([calling(call(extra_content={"google": {"thought_signature": "x" * 65540}}))], Code.INVALID_VALUE,
         "messages[0].tool_calls[0].extra_content.google.thought_signature"),
        ([{"role": "user", "content": "x", "tool_calls": [call()]}], Code.UNSUPPORTED, "messages[0].tool_calls"),
        ([calling(), result(content=URL)], Code.UNSUPPORTED, "messages[1].content"),
        ([calling(), result(content=[picture(LINK)])], Code.UNSUPPORTED, "messages[1].content[0].image_url.url"),
        ([calling(), result(content="x" * MAX_TEXT_CHARACTERS)], Code.BODY_TOO_LARGE, "messages"),
    ],
)  # fmt: skip
def test_a_call_that_is_none_is_refused_by_its_place(messages: list[Any], code: Code, param: str) -> None:
    with pytest.raises(Failure) as refused:
        parse(*messages)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert len(refused.value.message) < 300


# --- pictures by name ---

IMAGE_ID = f"img_{'a' * 32}"
UPLOAD_ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
HANDLE, PREVIOUS = f"impasto:image/{IMAGE_ID}", "impasto:image/previous"
OWN_LINK = f"https://gateway.test/v3/images/{IMAGE_ID}/content?expires=1795000000&signature=abc-_"


@pytest.mark.parametrize(
    ("part", "kind", "name", "place"),
    [
        (picture(HANDLE), "image", IMAGE_ID, "image_url.url"),
        ({"type": "image_url", "image_url": HANDLE}, "image", IMAGE_ID, "image_url"),
        (picture(PREVIOUS), "previous", "previous", "image_url.url"),
        (picture(f"impasto:file/{UPLOAD_ID}"), "file", UPLOAD_ID, "image_url.url"),
        ({"type": "file", "file": {"file_id": UPLOAD_ID}}, "file", UPLOAD_ID, "file.file_id"),
        ({"type": "file", "file": {"file_id": IMAGE_ID}}, "image", IMAGE_ID, "file.file_id"),
        ({"type": "file", "file": {"file_id": HANDLE}}, "image", IMAGE_ID, "file.file_id"),
        ({"type": "file", "file": {"file_id": PREVIOUS}}, "previous", "previous", "file.file_id"),
        ({"type": "file", "file": {"file_id": "previous"}}, "file", "previous", "file.file_id"),
    ],
)
def test_a_picture_may_be_cited_by_its_name(part: object, kind: Any, name: str, place: str) -> None:
    assert parts(content=[part]) == [Handle(kind, name, f"messages[0].content[0].{place}")]


@pytest.mark.parametrize(
    "name", ["", "a b", "x" * 81, "../x", "img_é", "a\n", "impasto:", "impasto:video/x", "impasto:image/", "img_/x"]
)
def test_what_can_be_no_name_is_refused_in_short(name: str) -> None:
    for part in ({"type": "file", "file": {"file_id": name}}, picture(f"impasto:image/{name}")):
        with pytest.raises(Failure) as refused:
            parts(content=[part])
        assert refused.value.code is Code.INVALID_IMAGE
        assert len(refused.value.message) < 300


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_lone_handle_or_own_link_is_a_picture(role: str) -> None:
    where = "messages[0].content"
    assert parts(role=role, content=HANDLE) == [Handle("image", IMAGE_ID, where)]
    assert parts(role=role, content=PREVIOUS) == [Handle("previous", "previous", where)]
    assert parts(role=role, content=OWN_LINK) == [ImageLink(OWN_LINK, where)]
    assert parts(role=role, content=OWN_LINK, text="Here") == ["Here", ImageLink(OWN_LINK, where)]


@pytest.mark.parametrize(
    "words",
    [
        "https://example.com/a.png",
        f"https://gateway.test/v3/images/{IMAGE_ID}",
        f"https://gateway.test/v3/images/{IMAGE_ID}/content",
        f"see {HANDLE}",
        f"{HANDLE} ",
        f"{HANDLE}\n",
        f"impasto:file/{UPLOAD_ID}",
        "impasto:image/",
        f"ftp://gateway.test/v3/images/{IMAGE_ID}/content?x",
        f"https://gateway.test/v3/images/{IMAGE_ID}/content?a b",
        f"https://{'x' * 1000}/v3/images/{IMAGE_ID}/content?x",
    ],
)
def test_other_words_are_words_even_where_they_name_something(words: str) -> None:
    assert parts(content=words) == [words]


def test_an_answer_in_markdown_with_links_comes_back_in_order() -> None:
    content = f"One:\n\n![image]({OWN_LINK})\n\nTwo:\n\n![image]({HANDLE})"
    assert parts(role="assistant", content=content) == [
        "One:",
        ImageLink(OWN_LINK, "messages[0].content"),
        "Two:",
        Handle("image", IMAGE_ID, "messages[0].content#2"),
    ]


def test_a_foreign_link_in_markdown_stays_words() -> None:
    content = "![cat](https://example.com/cat.png)"
    assert parts(content=content) == [content]


def test_every_picture_of_a_request_has_a_place_of_its_own() -> None:
    answer = {"role": "assistant", "content": f"![a]({URL}) ![b]({URL})", "images": [picture(URL), picture(URL)]}
    asks = {"role": "user", "content": [picture(URL), {"type": "file", "file": {"file_data": URL}}, picture(URL)]}
    found = [part for message in parse(answer, asks) for part in message.parts if isinstance(part, ImagePart)]
    assert len(found) == 7
    assert len({part.where for part in found}) == 7


@pytest.mark.parametrize(
    ("content", "images", "expected"),
    [
        (URL, [picture(URL)], [PICTURE]),
        (URL, [{"type": "image_url", "image_url": URL}], [PICTURE]),
        (URL, [picture(data_url(OTHER)), picture(URL)], [OTHER, PICTURE]),
        (URL, [picture(data_url(OTHER))], [PICTURE, OTHER]),
        (URL, [picture(data_url(png(100, 5, 5)))], [PICTURE, png(100, 5, 5)]),
        (URL, [picture(LINK)], [PICTURE, ImageLink(LINK, "messages[0].images[0].image_url.url")]),
        (URL, [], [PICTURE]),
        (OWN_LINK, [picture(OWN_LINK + "x")], [ImageLink(OWN_LINK + "x", "messages[0].images[0].image_url.url")]),
    ],
)
def test_the_picture_in_content_counts_once_and_no_other_is_lost(
    content: str, images: list[object], expected: list[object]
) -> None:
    assert parts(role="assistant", content=content, images=images) == expected
