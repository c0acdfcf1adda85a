"""The stamp: read by others as IPTC means it, the same every time, and nothing else changes."""

import base64
import xml.dom.minidom

from impasto import __version__
from impasto.domain.image import base64_reader
from impasto.domain.provenance import ALGORITHMIC_MEDIA, ALGORITHMICALLY_ENHANCED, Provenance, provenance_of
from impasto.engines.stamp import stamped
from tests.fakes.photos import pixels_of
from tests.fakes.pictures import png


def test_the_source_type_is_found_and_the_pixels_stay() -> None:
    plain = png(7, 5, (1, 2, 3))
    for source_type in (ALGORITHMIC_MEDIA, ALGORITHMICALLY_ENHANCED):
        picture = stamped(memoryview(plain), source_type, "painter")
        found = provenance_of(base64_reader(base64.b64encode(picture)), len(picture), "image/png")
        assert found == Provenance(None, source_type)
        assert pixels_of(picture) == pixels_of(plain)


def test_the_stamp_is_xml_with_the_engines_name_and_version() -> None:
    picture = stamped(png(), ALGORITHMIC_MEDIA, "sandbox")
    packet = picture[picture.index(b"<x:xmpmeta") : picture.index(b"<?xpacket end")]
    [described] = xml.dom.minidom.parseString(packet).getElementsByTagName("rdf:Description")  # noqa: S318 - ours
    assert described.getAttribute("xmp:CreatorTool") == f"impasto sandbox {__version__}"
    assert described.getAttribute("Iptc4xmpExt:DigitalSourceType") == ALGORITHMIC_MEDIA


def test_the_same_picture_gets_the_same_bytes() -> None:
    assert stamped(png(), ALGORITHMIC_MEDIA, "painter") == stamped(png(), ALGORITHMIC_MEDIA, "painter")
