"""What pictures say of their origin is found in every container, and hostile ones say nothing."""

import base64
import io
import json
import re
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.domain.image import base64_reader, media_type_of
from impasto.domain.provenance import Manifest, Provenance, provenance_of
from tests.end_to_end.replay import RECORDED, exchanges_of
from tests.fakes.credentials import CLAIM, CREATED, TRAINED, URN, jumbf_segments, manifest, store, superbox
from tests.fakes.photos import (
    box,
    chunk,
    extended_xmp_segments,
    heic_with,
    jpeg_with,
    picture,
    png_with,
    webp_with,
    xmp_chunk,
    xmp_segment,
)

STORE = store()
SAID = Manifest(len(STORE), URN, "Acme Camera", TRAINED)
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{TRAINED}"/></rdf:RDF></x:xmpmeta>'
).encode()


def found_in(data: bytes, media_type: str) -> Provenance:
    return provenance_of(lambda offset, count: data[offset : offset + count], len(data), media_type)


def credentials_box(data: bytes, purpose: bytes = b"manifest") -> bytes:
    return box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + bytes(4) + purpose + bytes(9) + data)


PICTURES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png": ("image/png", lambda: png_with(chunk(b"caBX", STORE), xmp_chunk(XMP))),
    "png, packed": ("image/png", lambda: png_with(xmp_chunk(XMP, packed=True), chunk(b"caBX", STORE))),
    "jpeg": ("image/jpeg", lambda: jpeg_with(xmp_segment(XMP), *jumbf_segments(STORE))),
    "jpeg, in pieces": (
        "image/jpeg",
        lambda: jpeg_with(*extended_xmp_segments(XMP, every=50), *jumbf_segments(STORE, every=100)),
    ),
    "webp": ("image/webp", lambda: webp_with((b"XMP ", XMP), (b"C2PA", STORE))),
    "heic": ("image/heic", lambda: heic_with(b"", XMP) + credentials_box(STORE)),
    "avif": ("image/avif", lambda: heic_with(b"", XMP) + credentials_box(STORE)),
}


@pytest.mark.parametrize(("media_type", "make"), PICTURES.values(), ids=PICTURES.keys())
def test_credentials_and_source_type_are_found(media_type: str, make: Callable[[], bytes]) -> None:
    found = found_in(make(), media_type)
    assert found == Provenance(SAID, TRAINED)
    assert found.facts() == {
        "c2pa": {
            "bytes": len(STORE),
            "manifest": URN,
            "claim_generator": "Acme Camera",
            "digital_source_type": TRAINED,
            "validated": False,
        },
        "digital_source_type": TRAINED,
    }


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_that_says_nothing_gives_nothing(suffix: str) -> None:
    data = picture(suffix)
    assert found_in(data, str(media_type_of(data[:64]))).facts() == {}


def test_what_is_absent_is_left_out() -> None:
    bare = superbox(b"c2pa", "c2pa")
    assert found_in(png_with(chunk(b"caBX", bare)), "image/png").facts() == {
        "c2pa": {"bytes": len(bare), "validated": False}
    }
    assert found_in(png_with(xmp_chunk(XMP)), "image/png").facts() == {"digital_source_type": TRAINED}


def test_the_last_manifest_is_the_active_one() -> None:
    old = manifest("urn:c2pa:old", claim={"claim_generator_info": {"name": "Somebody else"}}, actions={})
    assert found_in(png_with(chunk(b"caBX", store(old, manifest()))), "image/png").c2pa == Manifest(
        len(store(old, manifest())), URN, "Acme Camera", TRAINED
    )


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        (CLAIM, "Acme Camera"),
        ({"claim_generator": "acme/1", "claim_generator_info": [{"name": "Acme"}, {"name": "Lens"}]}, "Acme"),
        ({"claim_generator": "acme/1"}, "acme/1"),
        ({"claim_generator": "acme/1", "claim_generator_info": []}, "acme/1"),
        ({"claim_generator_info": {"name": 5}}, None),
        ({"claim_generator": "two\nlines"}, None),
        ({"claim_generator": "x" * 1000}, None),
        ([], None),
    ],
)
def test_what_made_the_manifest(claim: object, name: str | None) -> None:
    found = found_in(png_with(chunk(b"caBX", store(manifest(claim=claim)))), "image/png").c2pa
    assert found is not None
    assert found.claim_generator == name


@pytest.mark.parametrize(
    ("actions", "source_type"),
    [
        (CREATED, TRAINED),
        ({"actions": [{"action": "c2pa.opened", "digitalSourceType": "u:1"}]}, "u:1"),
        ({"actions": [{"digitalSourceType": "u:1"}, {"action": "c2pa.created", "digitalSourceType": "u:2"}]}, "u:2"),
        ({"actions": [{"action": "c2pa.created"}, 5, None]}, None),
        ({"actions": {"action": "c2pa.created"}}, None),
        ([], None),
    ],
)
def test_the_source_type_is_that_of_the_making(actions: object, source_type: str | None) -> None:
    found = found_in(png_with(chunk(b"caBX", store(manifest(actions=actions)))), "image/png").c2pa
    assert found is not None
    assert found.digital_source_type == source_type


@pytest.mark.parametrize(
    "xml",
    [
        f"<d i:DigitalSourceType='{TRAINED}'/>",
        f"<i:DigitalSourceType> {TRAINED}\n</i:DigitalSourceType>",
        f'<i:DigitalSourceType rdf:resource="{TRAINED}"/>',
        TRAINED.replace("http", "<DigitalSourceType>&#104;ttp") + "</DigitalSourceType>",
    ],
)
def test_the_source_type_is_read_in_each_of_its_forms(xml: str) -> None:
    assert found_in(webp_with((b"XMP ", xml.encode())), "image/webp").digital_source_type == TRAINED


def test_other_boxes_in_a_jpeg_are_passed_over() -> None:
    other = superbox(b"cbor", "something else")
    data = jpeg_with(*jumbf_segments(other, number=1), *jumbf_segments(STORE, number=2, every=99))
    assert found_in(data, "image/jpeg").c2pa == SAID


def test_a_box_of_merkle_trees_is_no_store() -> None:
    assert found_in(heic_with(b"", b"") + credentials_box(STORE, b"merkle"), "image/heic").facts() == {}


def test_thumbnails_in_a_manifest_are_not_read() -> None:
    thumbnail = superbox(b"@\xcb\x0c2", "c2pa.thumbnail.claim", box(b"bidb", bytes(5 << 20)))
    large = store(superbox(b"c2ma", "urn:c2pa:old", thumbnail), manifest())
    data, counts = png_with(chunk(b"caBX", large)), []

    def read(offset: int, count: int) -> bytes:
        counts.append(count)
        return data[offset : offset + count]

    found = provenance_of(read, len(data), "image/png").c2pa
    assert found == Manifest(len(large), URN, "Acme Camera", TRAINED)
    assert sum(counts) < 10_000


# --- laws ---


@given(data=st.binary(max_size=300), media_type=st.sampled_from([one for one, _ in PICTURES.values()]))
def test_any_bytes_are_taken(data: bytes, media_type: str) -> None:
    found_in(data, media_type)


@given(
    name=st.sampled_from(sorted(PICTURES)),
    cut=st.integers(0, 3000),
    at=st.integers(0, 1500),
    there=st.binary(max_size=8),
)
def test_damaged_pictures_say_something_that_is_json(name: str, cut: int, at: int, there: bytes) -> None:
    media_type, make = PICTURES[name]
    data = make()
    json.dumps(found_in((data[:at] + there + data[at + len(there) :])[:cut], media_type).facts())


@given(st.binary(max_size=300))
def test_any_store_is_taken(content: bytes) -> None:
    found_in(png_with(chunk(b"caBX", superbox(b"c2pa", "c2pa", content))), "image/png")
    found_in(jpeg_with(*jumbf_segments(struct.pack(">I4s", 1, b"jumb") + content)), "image/jpeg")


# --- pictures that providers really made ---

_PICTURES_IN_TEXT = re.compile(rb"(?:iVBORw0KGgo|/9j/)[A-Za-z0-9+/]{2000,}={0,2}")
GOOGLES = sorted(path.name for path in (RECORDED / "gemini").glob("*")) if RECORDED.exists() else []


def pictures_in(recording: str) -> Iterator[bytes]:
    for exchange in exchanges_of(recording):
        yield from _PICTURES_IN_TEXT.findall(exchange.body.replace(b"\\/", b"/"))


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not here")
def test_what_a_recorded_picture_says() -> None:
    [encoded] = pictures_in("gemini/gemini-2.5-flash-image_C2PA-in-PNG.yaml.gz")
    found = provenance_of(base64_reader(encoded), len(encoded) // 4 * 3, "image/png")
    assert found.facts() == {
        "c2pa": {
            "bytes": 6013,
            "manifest": "urn:c2pa:80b3ad90-c330-f60b-3590-4b61f48ad27d",
            "claim_generator": "Google C2PA Core Generator Library",
            "digital_source_type": TRAINED,
            "validated": False,
        }
    }


@pytest.mark.skipif(not GOOGLES, reason="the recordings are not here")
@pytest.mark.parametrize("recording", GOOGLES)
def test_every_picture_of_google_says_what_a_validator_reads(recording: str) -> None:
    c2pa = pytest.importorskip("c2pa")
    pictures = list(pictures_in(f"gemini/{recording}"))
    assert pictures
    for encoded in pictures:
        data = base64.b64decode(encoded)
        media_type = str(media_type_of(data[:64]))
        said = json.loads(c2pa.Reader(media_type, io.BytesIO(data)).json())
        found = found_in(data, media_type).c2pa
        assert found is not None
        assert found.label == said["active_manifest"]
        active = said["manifests"][found.label]
        assert found.claim_generator == active["claim_generator_info"][0]["name"]
        assert found.digital_source_type == active["assertions"][0]["data"]["actions"][0]["digitalSourceType"]
