"""The page: its policy names what the file holds, and the file holds nothing that the policy would have to forgive."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.page import packaged_page, page, page_of, policy_of

TEXT = packaged_page().body.decode()
SCRIPT = TEXT.partition("<script>")[2].partition("</script>")[0]
STYLE = TEXT.partition("<style>")[2].partition("</style>")[0]


async def get(if_none_match: str = "") -> Response:
    headers = [(b"if-none-match", if_none_match.encode())] if if_none_match else []
    return await page(Request({"type": "http", "method": "GET", "path": "/", "headers": headers}))


def sources() -> dict[str, str]:
    directives = packaged_page().headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


def hash_of(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


async def test_the_page_is_the_packaged_file() -> None:
    response = await get()

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.body == packaged_page().body
    assert response.headers["content-length"] == str(len(packaged_page().body))


async def test_every_header_that_keeps_the_page_shut() -> None:
    headers = (await get()).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"


def test_the_policy_allows_this_script_and_this_style_and_nothing_else() -> None:
    assert sources() == {
        "default-src": "'none'",
        "script-src": hash_of(SCRIPT),
        "style-src": hash_of(STYLE),
        "img-src": "blob: data: 'self'",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


@pytest.mark.parametrize("tags", ["{}", "W/{}", '"old", {}', '"old",W/{} , "older"', "*"])
async def test_a_browser_that_has_the_page_is_told_so(tags: str) -> None:
    etag = packaged_page().headers["etag"]

    response = await get(tags.format(etag))

    assert response.status_code == 304
    assert response.body == b""
    assert response.headers["etag"] == etag
    assert response.headers["content-security-policy"] == packaged_page().headers["content-security-policy"]


@pytest.mark.parametrize("tags", ['"old"', 'W/"old", "older"', "without quotes"])
async def test_a_browser_that_has_another_page_gets_this_one(tags: str) -> None:
    assert (await get(tags)).status_code == 200


def test_the_tag_follows_the_bytes() -> None:
    one, other = (page_of(f"<script>{text}</script><style></style>".encode()) for text in "ab")

    assert one.headers["etag"] != other.headers["etag"]
    assert one.headers["content-security-policy"] != other.headers["content-security-policy"]


@pytest.mark.parametrize(
    "body",
    [
        b"<style></style>",
        b"<script></script>",
        b"<script></script><script></script><style></style>",
        b"<script></script><style></style><style></style>",
    ],
)
def test_a_page_without_exactly_one_script_and_one_style_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        policy_of(body)


# --- the file ---


def test_browsers_hash_what_we_hash() -> None:
    # Parsers turn CR LF into LF before they hash, and replace NUL.
    assert not re.search(r"[\r\0]", TEXT)
    assert len(re.findall(r"<(script|style)\b", TEXT)) == 2


def test_no_other_host_is_named() -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>]*", TEXT)

    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_text_stays_text() -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\b|new Function|javascript:"

    assert not re.search(sinks, TEXT)


def test_nothing_outlives_the_tab() -> None:
    assert not re.search(r"localStorage|indexedDB|document\.cookie|serviceWorker|caches\.", TEXT)


def test_no_attribute_needs_a_policy_of_its_own() -> None:
    markup = TEXT.replace(SCRIPT, "").replace(STYLE, "")

    assert not re.search(r"\sstyle\s*=", markup, re.IGNORECASE)
    assert not re.search(r"\son\w+\s*=", markup, re.IGNORECASE)
    assert not re.search(r"<(iframe|object|embed|base|meta http-equiv|link rel=\"stylesheet\")", markup)


def test_ids_are_unique_and_labels_name_something() -> None:
    ids = re.findall(r'\bid="([^"]+)"', TEXT)
    named = re.findall(r'\b(?:for|aria-describedby|aria-controls)="([^"]+)"', TEXT)

    assert len(ids) == len(set(ids))
    assert {name for names in named for name in names.split()} <= set(ids)


def test_every_part_that_the_script_uses_is_on_the_page() -> None:
    assert set(re.findall(r"\bui\.(\w+)", SCRIPT)) <= set(re.findall(r'\bid="([^"]+)"', TEXT))
