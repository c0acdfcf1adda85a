"""Content credentials made of their boxes, without a signature: C2PA's JUMBF and CBOR."""

import struct

from tests.fakes.photos import box, segment

URN = "urn:c2pa:00000000-0000-4000-8000-000000000001"
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CREATED = {"actions": [{"action": "c2pa.edited"}, {"action": "c2pa.created", "digitalSourceType": TRAINED}]}
CLAIM = {"claim_generator_info": {"name": "Acme Camera", "version": "1.2"}, "alg": "sha256"}

_TYPE_ENDS = bytes.fromhex("00110010800000aa00389b71")


def cbor(value: object) -> bytes:
    """https://www.rfc-editor.org/rfc/rfc8949, definite lengths."""
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case None:
            return b"\xf6"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(one) for pair in value.items() for one in pair)
    raise TypeError(value)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    size = next(size for size in range(4) if number < 1 << (8 << size))
    return bytes((major << 5 | 24 + size,)) + number.to_bytes(1 << size, "big")


def superbox(kind: bytes, label: str, *content: bytes) -> bytes:
    description = box(b"jumd", kind + _TYPE_ENDS + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", description + b"".join(content))


def manifest(
    label: str = URN, *, claim: object = CLAIM, actions: object = CREATED, claim_label: str = "c2pa.claim.v2"
) -> bytes:
    assertions = superbox(
        b"c2as",
        "c2pa.assertions",
        superbox(b"json", "stds.exif", box(b"json", b"{}")),
        superbox(b"cbor", "c2pa.actions.v2", box(b"cbor", cbor(actions))),
    )
    credentials = superbox(b"c2cl", claim_label, box(b"cbor", cbor(claim)))
    return superbox(b"c2ma", label, assertions, credentials, superbox(b"c2cs", "c2pa.signature", box(b"cbor", b"\xf6")))


def store(*manifests: bytes) -> bytes:
    return superbox(b"c2pa", "c2pa", *(manifests or (manifest(),)))


def jumbf_segments(data: bytes, *, every: int = 60_000, number: int = 1) -> list[bytes]:
    """JUMBF in a JPEG: in each segment the header of the box again, and a piece of what is in it."""
    header, content = data[:8], data[8:]
    return [
        segment(0xEB, b"JP" + struct.pack(">HI", number, index) + header + content[at : at + every])
        for index, at in enumerate(range(0, len(content), every), start=1)
    ]
