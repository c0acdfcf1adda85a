"""A picture that was made and is kept.

Rule: it belongs to the key that made it; its bytes are known by their hash.
"""

from dataclasses import dataclass

from impasto.domain.image import Dimensions


@dataclass(frozen=True, slots=True)
class StoredImage:
    """What is known of a kept picture. `sha256` is in hexadecimal; `created_ms` is milliseconds since the epoch."""

    id: str
    generation_id: str
    key_id: str
    sha256: str
    media_type: str
    byte_count: int
    dimensions: Dimensions | None
    created_ms: int
