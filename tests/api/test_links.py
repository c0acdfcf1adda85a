"""Signed links: what they open, until when, and that no other link opens anything."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from impasto.api.links import Links
from impasto.completions.recall import OwnLink
from impasto.domain.errors import Code, Failure

NOW = 1_769_000_000.5
LINKS = Links("https://pictures.example/gateway", b"k" * 32, 3600, lambda: NOW)
EXPIRES = "1769003600"


def signature_of(image_id: str, links: Links = LINKS) -> str:
    [signature] = parse_qs(urlsplit(links.url_of(image_id)).query)["signature"]
    return signature


SIGNATURE = signature_of("img-1")


def test_a_link_names_the_picture_and_its_end() -> None:
    url = urlsplit(LINKS.url_of("img-1"))
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://pictures.example/gateway/v3/images/img-1/content"
    assert url.query == f"expires={EXPIRES}&signature={SIGNATURE}"
    assert len(SIGNATURE) == 43
    assert LINKS.is_signed("img-1", EXPIRES, SIGNATURE)


def test_a_link_is_good_for_its_time() -> None:
    assert LINKS.seconds_left(EXPIRES) == 3599
    assert replace(LINKS, now=lambda: NOW + 3599).seconds_left(EXPIRES) == 0
    with pytest.raises(Failure) as refused:
        replace(LINKS, now=lambda: NOW + 3600).seconds_left(EXPIRES)
    assert refused.value.code is Code.NOT_ALLOWED
    assert refused.value.message == (
        "This link was good until 2026-01-21 13:53:20 UTC. Ask with the key that made the picture, as the header "
        "Authorization: Bearer <key>."
    )


@pytest.mark.parametrize(
    ("image_id", "expires", "signature"),
    [
        ("img-2", EXPIRES, SIGNATURE),
        ("img-1\n", EXPIRES, SIGNATURE),
        ("", EXPIRES, SIGNATURE),
        ("img-1", "1769003601", SIGNATURE),
        ("img-1", "", SIGNATURE),
        ("img-1", f"0{EXPIRES}", SIGNATURE),
        ("img-1", f"+{EXPIRES}", SIGNATURE),
        ("img-1", f" {EXPIRES}", SIGNATURE),
        ("img-1", f"-{EXPIRES}", SIGNATURE),
        ("img-1", "9" * 5000, SIGNATURE),
        ("img-1", "١٧٦٩٠٠٣٦٠٠", SIGNATURE),
        ("img-1", "nan", SIGNATURE),
        ("img-1", EXPIRES, ""),
        ("img-1", EXPIRES, SIGNATURE[:-1]),
        ("img-1", EXPIRES, SIGNATURE + "="),
        ("img-1", EXPIRES, SIGNATURE + "A"),
        ("img-1", EXPIRES, SIGNATURE.swapcase()),
        ("img-1", EXPIRES, "é" * 43),
        ("img-1", EXPIRES, "\ud800" * 43),
        ("img-1", EXPIRES, "A" * 1_000_000),
        ("img-1", EXPIRES, signature_of("img-2")),
        ("img-1", EXPIRES, signature_of("img-1", replace(LINKS, key=b"l" * 32))),
        ("img-1\n1", "769003600", SIGNATURE),
    ],
)
def test_a_link_that_was_not_made_here_opens_nothing(image_id: str, expires: str, signature: str) -> None:
    assert not LINKS.is_signed(image_id, expires, signature)


def test_the_last_character_of_a_signature_has_one_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = [last for last in alphabet if LINKS.is_signed("img-1", EXPIRES, SIGNATURE[:-1] + last)]
    assert good == [SIGNATURE[-1]]


@pytest.mark.parametrize("expires", ["01", "x", "-1", "9" * 12])
def test_a_time_that_is_none_is_not_taken_even_if_it_was_signed(expires: str) -> None:
    assert not LINKS.is_signed("img-1", expires, LINKS._signature("img-1", expires))


def test_the_key_is_not_printed() -> None:
    assert "kkk" not in repr(LINKS)


# --- links that come back ---

URL = LINKS.url_of("img-1")


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        (URL, True),
        (f"{URL}&w=256", True),
        (f"{URL}#top", True),
        (URL.replace("https://pictures.example/gateway", "http://127.0.0.1:8080"), True),
        (URL.split("?")[0], False),
        (URL.replace(EXPIRES, "1769003601"), False),
        (URL.replace("img-1", "img-2"), False),
        (URL[:-1], False),
        (replace(LINKS, now=lambda: NOW - 3601).url_of("img-1"), False),
        (replace(LINKS, key=b"l" * 32).url_of("img-1"), False),
    ],
)
def test_a_link_of_this_gateway_is_known_whoever_may_open_it(url: str, is_open: bool) -> None:
    assert LINKS.read(url) == OwnLink("img-2" if "img-2" in url else "img-1", is_open)


def test_a_link_is_over_when_its_time_is() -> None:
    for later, is_open in ((3598, True), (3600, False)):
        assert replace(LINKS, now=lambda later=later: NOW + later).read(URL) == OwnLink("img-1", is_open)  # type: ignore[misc]


@pytest.mark.parametrize(
    "url",
    [
        "https://pictures.example/gateway/v3/images/img-1/content/more",
        "https://pictures.example/gateway/v3/images/img-1",
        "https://pictures.example/gateway/v3/images//content",
        "https://pictures.example/gateway/v3/images/img%2D1/content",
        f"https://pictures.example/gateway/v3/images/{'x' * 81}/content",
        "https://elsewhere.example/v3/images/img-1/content",
        f"https://elsewhere.example/v3/images/img-1/content?expires={EXPIRES}&signature=x",
        "https://pictures.example.evil/gateway/v3/images/img-1/content",
        "https://pictures.example/gateway.evil/v3/images/img-1/content",
        "https://[/v3/images/img-1/content",
        "https://elsewhere.example/?u=https://pictures.example/gateway/v3/images/img-1/content",
        "",
    ],
)
def test_any_other_url_is_none_of_its_links(url: str) -> None:
    assert LINKS.read(url) is None


def test_a_gateway_that_does_not_know_its_address_knows_what_it_signed() -> None:
    nameless = replace(LINKS, base_url="")
    assert nameless.read(URL) == OwnLink("img-1", is_open=True)
    assert nameless.read(URL.split("?")[0]) is None
