"""Pictures that are kept: those that were made here, and those that callers uploaded.

Rule: each belongs to one key; its bytes are known by their hash. What a caller cites is his own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from impasto.domain.image import Dimensions


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture that was made here. `sha256` is in hexadecimal; times are milliseconds since the epoch.

    `choice` is the call of its generation that made it, `model` whose it is, `facts` what is said of it beside: what
    was sent for it, and what its bytes say of themselves. Its bytes are in the store until `gone_ms`.
    """

    id: str
    generation_id: str
    key_id: str
    sha256: str
    media_type: str
    byte_count: int
    dimensions: Dimensions | None
    created_ms: int
    choice: int = 0
    model: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    gone_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that a caller uploaded, to be used until `expires_ms`."""

    id: str
    key_id: str
    sha256: str
    file_name: str
    media_type: str
    byte_count: int
    dimensions: Dimensions | None
    purpose: str
    created_ms: int
    expires_ms: int
    end_user: str | None = None
