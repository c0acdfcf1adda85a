"""Uploads on the wire: fields with their bounds, and names that are only ever shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.api.upload_wire import UploadForm, parse_file_ids, parse_form, shown_name, upload_body
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.stored_image import Upload


def test_nothing_said_is_the_defaults() -> None:
    assert parse_form({}) == UploadForm("general", 30, None)


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        ({"purpose": ["vision"], "expires_in_days": ["1"], "user": ["ada"]}, UploadForm("vision", 1, "ada")),
        ({"purpose": ["x" * 50], "expires_in_days": ["30"], "user": ["y" * 200]}, UploadForm("x" * 50, 30, "y" * 200)),
        ({"purpose": ["Zoës Fotos"], "expires_in_days": ["07"]}, UploadForm("Zoës Fotos", 7, None)),
    ],
)
def test_what_is_said_holds(texts: dict[str, list[str]], form: UploadForm) -> None:
    assert parse_form(texts) == form


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("purpose", [""], "1 to 50"),
        ("purpose", ["  "], "1 to 50"),
        ("purpose", ["x" * 51], "1 to 50"),
        ("purpose", ["a\0b"], "1 to 50"),
        ("purpose", ["a\nb"], "1 to 50"),
        ("purpose", ["a", "a"], "given twice"),
        ("user", [""], "1 to 200"),
        ("user", ["x" * 201], "1 to 200"),
        ("expires_in_days", ["0"], 'expires_in_days "0" is not possible. It takes a number from 1 to 30'),
        ("expires_in_days", ["31"], "1 to 30"),
        ("expires_in_days", ["-1"], "1 to 30"),
        ("expires_in_days", ["1.5"], "1 to 30"),
        ("expires_in_days", ["٣"], "1 to 30"),
        ("expires_in_days", [""], "1 to 30"),
        ("expires_in_days", ["9" * 6000], "1 to 30"),
        ("expires_in_days", ["1", "2"], "given twice"),
        ("expires_in_day", ["1"], "expires_in_day is no field here. It takes file, purpose, expires_in_days and user"),
        ("file", ["cat.png"], "an @ stands before the path"),
    ],
)
def test_what_is_not_possible_is_refused_by_name(name: str, values: list[str], why: str) -> None:
    with pytest.raises(Failure, match=why) as refused:
        parse_form({name: values})
    assert (refused.value.code, refused.value.param) == (Code.INVALID_BODY, name)


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("cat.png", "cat.png"),
        ("Zoë und 猫.webp", "Zoë und 猫.webp"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\Ada\cat.png", "cat.png"),
        ("cat\r\nset-cookie: x\0.png", "catset-cookie: x.png"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("  cat.png ", "cat.png"),
        ("", "file"),
        ("/", "file"),
        ("..", "file"),
        ("\x00", "file"),
        ("x" * 400 + ".png", "x" * 251 + ".png"),
        ("x" * 400, "x" * 255),
        ("." + "x" * 400, "." + "x" * 254),
    ],
)
def test_a_name_is_shown_without_what_could_harm(given_name: str, shown: str) -> None:
    assert shown_name(given_name) == shown


@given(st.text(max_size=600))
def test_every_name_can_be_kept_and_shown(name: str) -> None:
    shown = shown_name(name)
    assert 1 <= len(shown) <= 255
    assert shown.isprintable()
    assert not {"/", "\\"} & set(shown)
    assert shown.encode()


@pytest.mark.parametrize("count", [1, 100])
def test_ids_are_read(count: int) -> None:
    ids = [f"id-{number}" for number in range(count)]
    assert parse_file_ids(f'{{"file_ids": {ids}}}'.replace("'", '"').encode()) == ids


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", Code.INVALID_JSON, None),
        (b"\xff", Code.INVALID_JSON, None),
        (b"[]", Code.INVALID_BODY, None),
        (b"{}", Code.INVALID_BODY, "file_ids"),
        (b'{"file_ids": "a"}', Code.INVALID_BODY, "file_ids"),
        (b'{"file_ids": []}', Code.INVALID_BODY, "file_ids"),
        (b'{"file_ids": [1]}', Code.INVALID_BODY, "file_ids[0]"),
        (b'{"file_ids": [' + b'"a",' * 100 + b'"a"]}', Code.INVALID_BODY, "file_ids"),
        (b'{"file_ids": ["a"], "all": true}', Code.INVALID_BODY, None),
    ],
)
def test_ids_of_a_wrong_shape_are_refused(body: bytes, code: Code, param: str | None) -> None:
    with pytest.raises(Failure) as refused:
        parse_file_ids(body)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_an_upload_is_shown_with_edens_fields_and_no_other() -> None:
    upload = Upload(
        "550e8400-e29b-41d4-a716-446655440000", "key-1", "ab" * 32, "cat.png", "image/png", 152340,
        Dimensions(4, 3), "general", 1_705_314_600_000, 1_705_919_400_000, "ada",
    )  # fmt: skip
    assert upload_body(upload) == {
        "file_id": "550e8400-e29b-41d4-a716-446655440000",
        "file_name": "cat.png",
        "file_size": 152340,
        "file_mimetype": "image/png",
        "purpose": "general",
        "metadata": {},
        "created_at": "2024-01-15T10:30:00.000Z",
        "expires_at": "2024-01-22T10:30:00.000Z",
    }
