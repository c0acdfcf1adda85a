"""What pictures were made from, and what was made from them.

Rule: what is told here is told to the key that made a picture, or to whoever manages the gateway.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Generation, Parent, Posted
from impasto.domain.stored_image import StoredImage

MAX_QUERY_CHARACTERS = 200
"""Longer ones name nothing that was said, and databases bound their words."""


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """Which pictures of a key are asked for, the newest first. `words` all occur in the prompt, each at the beginning
    of a word; `parent` is the id of what they were made from; `since_ms` is the first moment, `until_ms` the one
    after the last."""

    key_id: str
    words: tuple[str, ...] = ()
    model: str | None = None
    session_id: str | None = None
    end_user: str | None = None
    parent: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    include_gone: bool = False
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Ancestor:
    """What a picture was made from, and that picture itself where it was made here."""

    parent: Parent
    image: StoredImage | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A generation with what it was asked in words, of which `prompt` holds the first `len(prompt)` of `characters`,
    and in pictures. `prompt` is `None` where no words are kept. `images` are its pictures, in order, by id and by the
    call that made each."""

    generation: Generation
    key_name: str
    prompt: str | None = None
    characters: int = 0
    parents: tuple[Ancestor, ...] = ()
    images: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """A picture and where it comes from. `child_count` pictures were made from it, the newest of them `child_ids`."""

    image: StoredImage
    origin: Origin
    child_count: int = 0
    child_ids: tuple[str, ...] = ()

    @property
    def call(self) -> Posted | None:
        """What the call that made it came to."""
        calls = self.origin.generation.calls
        return next((call for call in calls if call.call == self.image.choice), None)

    @property
    def pictures_in_call(self) -> int:
        return sum(choice == self.image.choice for _, choice in self.origin.images)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Bytes that were made here: first at `created_ms` by `model`. `count` and `newest` are of those pictures that
    the one who asks may see."""

    created_ms: int
    model: str
    count: int = 0
    newest: tuple[PictureFacts, ...] = ()


def words_of(query: str) -> tuple[str, ...]:
    """The words of `query`, in its order: runs of letters, digits and their marks. Raises `invalid_value` where there
    is none, or too much."""
    if len(query) > MAX_QUERY_CHARACTERS:
        raise Failure(
            Code.INVALID_VALUE,
            f"query: {len(query)} characters are too many to look for. It takes {MAX_QUERY_CHARACTERS} at most.",
            param="query",
        )
    words = tuple(dict.fromkeys(_runs(query)))
    if not words:
        raise Failure(
            Code.INVALID_VALUE,
            f'query "{query}" holds no word. It takes words of the prompt, or their beginnings: bridge night.',
            param="query",
        )
    return words


def _runs(query: str) -> Iterator[str]:
    for is_word, run in groupby(unicodedata.normalize("NFC", query), _belongs_to_word):
        word = "".join(run)
        if is_word and any(unicodedata.category(character)[0] in "LN" for character in word):
            yield word


def _belongs_to_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"
