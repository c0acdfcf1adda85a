"""Does the caller have this already?"""


def has_already(if_none_match: str, etag: str) -> bool:
    """Whether one of the tags in `If-None-Match` is `etag`."""
    # Weak comparison: a proxy that compresses turns our tag into W/"…" (RFC 9110, 13.1.2).
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags
