"""Tags: what callers file their requests under.

Rule: the body's tags stand for all, else the header's, else the key's own; a tag that could not be
kept as it is said is refused by name.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw
from starlette.datastructures import Headers

from impasto.api.json_errors import not_json
from impasto.domain.errors import Code, Failure
from impasto.domain.tags import check_tags

HEADERS = ("x-impasto-tags", "x-edenai-tags")

_SHOWN = 80
_tags = msgspec.json.Decoder(dict[str, Raw] | None)
_value = msgspec.json.Decoder(str)


def parse_tags(body_value: Raw, headers: Headers, default: Mapping[str, str]) -> dict[str, str]:
    """The tags of a request whose body says `body_value` (`null` where it says nothing) and whose key has `default`.

    Raises 400 naming the tag.
    """
    said = _from_body(body_value)
    if said is None:
        said = _from_headers(headers)
    if said is None:
        return dict(default)
    return _checked(said)


def _checked(said: Iterable[tuple[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for name, value in said:
        if name in tags:
            raise _refused(f'tags: "{name[:_SHOWN]}" is given twice. Give each name once.')
        tags[name] = value
    check_tags(tags, "tags")
    return tags


def _from_body(body_value: Raw) -> list[tuple[str, str]] | None:
    try:
        tags = _tags.decode(body_value)
        return None if tags is None else [(name, _text(name, value)) for name, value in tags.items()]
    except msgspec.ValidationError:
        raise _refused('tags is no object. It takes names and texts, such as {"env": "prod"}.') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None


def _text(name: str, value: Raw) -> str:
    try:
        return _value.decode(value)
    except msgspec.ValidationError:
        raise _refused(f'The value of the tag "{name[:_SHOWN]}" is no text. Put it in quotes.') from None


def _from_headers(headers: Headers) -> list[tuple[str, str]] | None:
    for header in HEADERS:
        items = [item.strip() for line in headers.getlist(header) for item in line.split(",")]
        if any(items):
            return [_split(item) for item in items if item]
    return None


def _split(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals:
        raise _refused(
            f'The tag "{item[:_SHOWN]}" has no value. The header takes name=value, with commas between, such as '
            "client=acme,env=prod."
        )
    return name.strip(), value.strip()


def _refused(message: str) -> Failure:
    return Failure(Code.INVALID_VALUE, message, param="tags")
