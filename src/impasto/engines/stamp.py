"""What the engines' own pictures say of their origin: IPTC's digital source type, and which engine it was.

Rule: the same picture gets the same bytes, and nothing of what was asked for is in them.
https://iptc.org/std/photometadata/specification/IPTC-PhotoMetadata#digital-source-type
"""

import struct
import zlib

from impasto import __version__

_AFTER_HEADER = 33  # of a PNG: magic, then the chunk that comes first
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
   xmp:CreatorTool="{tool}"
   Iptc4xmpExt:DigitalSourceType="{source_type}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def stamped(png: bytes | memoryview, source_type: str, engine: str) -> bytes:
    """A PNG with its digital source type and the name and version of its `engine`, as XMP right after the header."""
    packet = _PACKET.format(tool=f"impasto {engine} {__version__}", source_type=source_type).encode()
    return b"".join(
        (png[:_AFTER_HEADER], png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet), png[_AFTER_HEADER:])
    )


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its length and its checksum: https://www.w3.org/TR/png-3/#5Chunk-layout"""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
