"""What may stand in the catalogue's files: the tables, and how a mistake in one is said.

Rule: nothing is guessed or passed over. An unknown key, ratio or size is a mistake, and
each mistake names the file, the key, what was expected and, where one is near, what was meant.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from impasto.domain.model import KnownBy, Modality

AspectRatio = Literal[
    "1:1", "1:2", "1:3", "1:4", "1:8", "2:1", "2:3", "3:1", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4", "8:1",
    "9:16", "9:19.5", "9:20", "9:21", "16:9", "19.5:9", "20:9", "21:9",
]  # fmt: skip
ImageSize = Literal["512", "1K", "2K", "3K", "4K"]
MediaType = Literal["image/png", "image/jpeg", "image/webp", "image/gif", "image/heic", "image/heif"]
Parameter = Literal[
    "temperature", "top_p", "max_tokens", "seed", "stop", "presence_penalty", "frequency_penalty", "tools",
    "response_format",
]  # fmt: skip
ThinkingLevel = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Unit = Literal["US dollars per million tokens"]

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
TokenCount = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML table of ours: each key is known."""


class AuthTable(_Table, frozen=True):
    """How a call is signed: the key goes into `header`, after `prefix`."""

    header: Text
    prefix: str = ""


class ProviderTable(_Table, frozen=True):
    """Where to talk and as whom; see `domain.model.Provider`."""

    name: Text
    adapter: Text
    base_url: str = ""
    base_url_env: str = ""
    key_env: tuple[Text, ...] = ()
    auth: AuthTable | None = None
    max_request_mb: Count | None = None


class PriceTable(_Table, frozen=True):
    """Amounts are text, so that they are read digit by digit; see `domain.pricing.Price`."""

    unit: Unit
    input: str
    checked: date
    source: Text
    output_text: str | None = None
    output_image: str | None = None
    input_image: str | None = None
    cached_input: str | None = None


class ModelTable(_Table, frozen=True):
    """One model; see `domain.model` for what the fields mean.

    `dimensions_from` names tables that are shared by entries: of these only the sizes and
    ratios that the model lists are taken, and of two the later wins. `dimensions` is the
    entry's own table and wins over both.
    """

    input: Annotated[tuple[Modality, ...], msgspec.Meta(min_length=1)]
    output: Annotated[tuple[Modality, ...], msgspec.Meta(min_length=1)]
    description: Text
    known_by: KnownBy
    aspect_ratios: tuple[AspectRatio, ...] | None = None
    image_sizes: tuple[ImageSize, ...] | None = None
    default_image_size: ImageSize | None = None
    sends_image_size: bool | None = None
    drafts: bool | None = None
    max_images_per_call: Count | None = None
    reserve_other_tokens: TokenCount | None = None
    tokens_per_image: dict[str, TokenCount] | None = None
    dimensions_from: tuple[Text, ...] | None = None
    dimensions: dict[str, object] | None = None
    max_input_images: Count | None = None
    input_media_types: tuple[MediaType, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    thinking_levels: tuple[ThinkingLevel, ...] = ()
    signatures: bool = False
    system_messages: bool = True
    max_input_tokens: Count | None = None
    max_output_tokens: Count | None = None
    sent_as: Text | None = None
    aliases: tuple[Text, ...] = ()
    released: date | None = None
    deprecated: date | None = None
    retired: date | None = None
    replaced_by: Text | None = None
    on_retired: Literal["refuse", "serve"] = "refuse"
    note: str = ""
    price: PriceTable | None = None


class RetirementTable(_Table, frozen=True):
    """What an operator may say alone of a model that its provider no longer knows."""

    on_retired: Literal["refuse", "serve"]


class ProviderFile(_Table, frozen=True):
    """A packaged file: one provider and its models, by the names that the provider gives them."""

    provider: dict[str, object]
    models: dict[str, object]
    dimensions: dict[str, object] = {}


class OperatorTables(_Table, frozen=True):
    """What an operator's file may say of the catalogue; models are named in full, `provider/name`."""

    providers: dict[str, object] = {}
    models: dict[str, object] = {}
    prices: dict[str, object] = {}
    retirement: dict[str, object] = {}
    aliases: dict[str, object] = {}
    dimensions: dict[str, object] = {}


OPERATOR_TABLES = OperatorTables.__struct_fields__
"""The tables of a configuration file that are the catalogue's."""


class CatalogueError(ValueError):
    """A catalogue that cannot be used. The message names the file, the key and what was expected."""


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A key in a file."""

    file: str
    keys: tuple[str, ...] = ()

    def at(self, *keys: str) -> "Place":
        return Place(self.file, self.keys + keys)

    def wrong(self, sentence: str) -> CatalogueError:
        return CatalogueError(f"{self}: {sentence}")

    def __str__(self) -> str:
        path = ".".join(key if _BARE_KEY.fullmatch(key) else f'"{key}"' for key in self.keys)
        return f"{self.file}: {path}" if path else self.file


def meant(word: str, choices: Iterator[str] | Mapping[str, object] | tuple[str, ...]) -> str:
    """A clause that offers the nearest of `choices`, or nothing."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


_TableType = TypeVar("_TableType", bound=_Table)


def read_table(raw: object, kind: type[_TableType], place: Place) -> _TableType:
    """`raw`, parsed TOML, as a `kind`. Raises `CatalogueError`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _in_our_words(str(error), raw, kind, place) from None


_COMPLAINT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_KEY = re.compile(r"Object missing required field `(.*)`")
_WRONG_KIND = re.compile(r"Expected `([a-z| ]+)`, got `([a-z]+)`")
_PLAIN_COMPLAINTS = (
    (re.compile(r"Invalid RFC3339 encoded date"), "expected a date such as 2026-11-22"),
    (re.compile(r"Expected `(?:str|array)` of length >= 1"), "must not be empty"),
    (re.compile(r"Expected `int` >= (\d+)"), r"expected a whole number, \1 or more"),
    (re.compile(r"Expected `int` <= (\d+)"), r"expected a whole number, \1 or less"),
)
_KINDS = {
    "str": "text in quotes",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a date such as 2026-11-22",
}


def _in_our_words(complaint: str, raw: object, kind: type[_Table], place: Place) -> CatalogueError:
    """Our sentence for a complaint of msgspec; a complaint of a form not met before is passed on as it is."""
    found = _COMPLAINT.fullmatch(complaint)
    what, path = (found["what"], found["path"] or "") if found else (complaint, "")
    keys = [key for key in re.split(r"[.\[\]]+", path) if key and key != "..."]
    value, expected = _value_at(raw, keys), _type_at(kind, keys)
    place = place.at(*(key for key in keys if not key.isdigit()))
    if found := _UNKNOWN_KEY.fullmatch(what):
        known = _keys_of(expected)
        return place.at(found[1]).wrong(f"unknown key.{meant(found[1], known)} Known here: {', '.join(known)}.")
    if found := _MISSING_KEY.fullmatch(what):
        return place.wrong(f'"{found[1]}" is missing.')
    choices = tuple(_choices_of(expected))
    if choices and what.startswith("Invalid enum value"):
        word = str(value)
        return place.wrong(f'"{word}" is unknown.{meant(word, choices)} Expected one of {", ".join(choices)}.')
    if found := _WRONG_KIND.fullmatch(what):
        if found[1].startswith("str") and found[2] in {"float", "int"}:
            return place.wrong(f'expected text; quote it: "{value}".')
        wanted = " or ".join(_KINDS.get(word, word) for word in found[1].split(" | ") if word != "null")
        return place.wrong(f"expected {wanted}.")
    for pattern, words in _PLAIN_COMPLAINTS:
        what = pattern.sub(words, what)
    return place.wrong(f"{what}.")


def _value_at(raw: object, keys: list[str]) -> object:
    for key in keys:
        raw = raw[int(key)] if isinstance(raw, list) else raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def _type_at(kind: Any, keys: list[str]) -> Any:
    for key in keys:
        table = next(_tables_of(kind), None)
        kind = (
            next((field.type for field in msgspec.structs.fields(table) if field.name == key), kind) if table else kind
        )
    return kind


def _tables_of(kind: Any) -> Iterator[type[_Table]]:
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, _Table):
            yield part


def _keys_of(kind: Any) -> tuple[str, ...]:
    return next((table.__struct_fields__ for table in _tables_of(kind)), ())


def _choices_of(kind: Any) -> Iterator[str]:
    for part in get_args(kind):
        if isinstance(part, str):
            yield part
        else:
            yield from _choices_of(part)
