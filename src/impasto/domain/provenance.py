"""What the bytes of a picture say of its origin: content credentials (C2PA) and IPTC's digital source type.

Rule: it tells what is written there and never that it is true: no signature is checked. Headers are walked, a few
kilobytes are read, nothing is changed, and nothing raises.
"""

import json
from dataclasses import dataclass

from impasto.domain.cbor import read_cbor
from impasto.domain.containers import Reader, Stretch, boxes
from impasto.domain.jumbf import Superbox, superboxes
from impasto.domain.metadata import Kind, metadata_of
from impasto.domain.xmp import text_of

ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
"""Made by an algorithm that no sampled data trained."""
ALGORITHMICALLY_ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
"""A picture that an algorithm changed."""

_MOST_XMP_BYTES = 1 << 20
_MOST_PACKETS = 8
_MOST_ASSERTION_BYTES = 1 << 18
_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Manifest:
    """A C2PA manifest store of so many bytes, and what its active manifest says; `None` where it does not."""

    byte_count: int
    label: str | None = None
    claim_generator: str | None = None
    digital_source_type: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a picture says of its origin; `digital_source_type` is what its XMP says."""

    c2pa: Manifest | None = None
    digital_source_type: str | None = None

    def facts(self) -> dict[str, object]:
        """The same as JSON, without what is absent; `{}` where nothing was found."""
        facts: dict[str, object] = {}
        if self.c2pa:
            said = {
                "manifest": self.c2pa.label,
                "claim_generator": self.c2pa.claim_generator,
                "digital_source_type": self.c2pa.digital_source_type,
            }
            told = {name: value for name, value in said.items() if value is not None}
            facts["c2pa"] = {"bytes": self.c2pa.byte_count, **told, "validated": False}
        if self.digital_source_type is not None:
            facts["digital_source_type"] = self.digital_source_type
        return facts


def provenance_of(read: Reader, byte_count: int, media_type: str) -> Provenance:
    """What a picture of so many bytes says of its origin."""
    manifest = source_type = None
    packets = 0
    for kind, stretch in metadata_of(read, byte_count, media_type):
        if kind is Kind.C2PA:
            manifest = manifest or _manifest_in(stretch)
        elif kind in (Kind.XMP, Kind.DEFLATED_XMP) and source_type is None and packets < _MOST_PACKETS:
            packets += 1
            packed = kind is Kind.DEFLATED_XMP
            xml = stretch.inflated(_MOST_XMP_BYTES) if packed else stretch.read(0, _MOST_XMP_BYTES)
            source_type = _text(text_of(xml, b"DigitalSourceType"))
    return Provenance(manifest, source_type)


# --- the manifest store: C2PA 2.2, section 11.1.4 ---

_STORE = b"c2pa"
_ACTIONS = ("c2pa.actions", "c2pa.actions.v2")
_MOST_ASSERTIONS = 8


def _manifest_in(store: Stretch) -> Manifest | None:
    read = store.read
    outer = next(superboxes(read, (0, len(store))), None)
    if outer is None or outer.kind != _STORE:
        return None
    active = None
    for active in superboxes(read, outer.content):  # noqa: B007 - the last one is the active one
        pass
    if active is None:
        return Manifest(len(store))
    generator = source_type = None
    for part in superboxes(read, active.content):
        if part.label.startswith("c2pa.claim"):
            generator = generator or _generator_in(_content(read, part))
        elif part.label == "c2pa.assertions":
            source_type = _source_type_in(read, part)
    return Manifest(len(store), _text(active.label), generator, source_type)


def _content(read: Reader, part: Superbox) -> dict[str, object]:
    """What a box with one box of data in it says."""
    kind, start, end = next(boxes(read, part.content, 1), (b"", 0, 0))
    data = read(start, min(end - start, _MOST_ASSERTION_BYTES))
    said = read_cbor(data) if kind == b"cbor" else _read_json(data) if kind == b"json" else None
    return said if isinstance(said, dict) else {}


def _read_json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _generator_in(claim: dict[str, object]) -> str | None:
    """The name of what made the manifest; the first version of claims has a list of them, and a line of text."""
    told = claim.get("claim_generator_info")
    first = told[0] if isinstance(told, list) and told else told
    name = first.get("name") if isinstance(first, dict) else None
    return _text(name) or _text(claim.get("claim_generator"))


def _source_type_in(read: Reader, assertions: Superbox) -> str | None:
    """That of the action by which the picture was made, else of the first action that has one."""
    found: str | None = None
    looked_at = 0
    for assertion in superboxes(read, assertions.content):
        if assertion.name not in _ACTIONS or looked_at == _MOST_ASSERTIONS:
            continue
        looked_at += 1
        actions = _content(read, assertion).get("actions")
        for action in actions if isinstance(actions, list) else ():
            said = _text(action.get("digitalSourceType")) if isinstance(action, dict) else None
            if said and action.get("action") == "c2pa.created":
                return said
            found = found or said
    return found


def _text(value: object) -> str | None:
    """A text that can be shown on a line, or nothing."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and value.isprintable() else None
