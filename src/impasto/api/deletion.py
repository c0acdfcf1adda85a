"""DELETE of what is kept: a picture, a generation, all that a key or an end user left.

Rule: nothing is deleted that was not named. Who says neither whose content he means nor that he means all of it, or
says something that nobody knows, deletes nothing. Nobody learns from a deletion what others have.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.auth import caller_of
from impasto.domain.deletion import Deleted
from impasto.domain.errors import Code, Failure, listed

MAX_NAME_CHARACTERS = 200

_ID = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)


class Deletion(Protocol):
    """Deletes what is kept; `key_id` is whose it may be, `None` anybody's. Raises `ledger_unavailable` and
    `store_unavailable`: to ask again goes on from there."""

    async def image(self, image_id: str, key_id: str | None) -> Deleted:
        """A picture, and the answer that it was in. Raises `not_found`."""

    async def generation(self, generation_id: str, key_id: str | None) -> Deleted:
        """What is kept of a generation. Raises `not_found` and `still_running`."""

    async def content(self, key_id: str | None, end_user: str | None) -> Deleted:
        """All that a key left, or an end user of it, or an end user of any key. Raises `not_found`."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """The resource."""

    deletion: Deletion

    async def image(self, request: Request) -> Response:
        return _answer(request, await self.deletion.image(_id_in(request, "image_id"), _whose(request)))

    async def generation(self, request: Request) -> Response:
        return _answer(request, await self.deletion.generation(_id_in(request, "generation_id"), _whose(request)))

    async def own(self, request: Request) -> Response:
        """Of the caller's key: all, or what is one end user's."""
        said = _said(request, ("user", "all"))
        everything = said.get("all")
        if everything not in (None, "true"):
            raise _refusal("all", f'all "{everything[:40]}" is not possible. It takes true.')
        if len(said) != 1:
            raise _refusal(
                "all" if said else None,
                "Say what is to be deleted, one of the two: user=NAME for what one of your end users left, or all=true "
                "for all that was made and uploaded with this key.",
            )
        return _answer(request, await self.deletion.content(caller_of(request.scope).id, said.get("user")))

    async def managed(self, request: Request) -> Response:
        """Of any key, of an end user, or of an end user of one key."""
        said = _said(request, ("key_id", "user"))
        if not said:
            raise _refusal(
                None,
                "Say whose content is to be deleted: key_id=ID for that of a key, user=NAME for that of an end user of "
                "any key, or both for that of an end user of one key.",
            )
        return _answer(request, await self.deletion.content(said.get("key_id"), said.get("user")))


def deleted_body(deleted: Deleted, *, tells_files: bool = True) -> dict[str, object]:
    """What a deletion took, as it is shown; `tells_files`: also which files nobody else needed."""
    counts = {"images": deleted.images, "generations": deleted.generations, "uploads": deleted.uploads}
    files = {"blobs": deleted.blobs, "bytes": deleted.byte_count} if tells_files else {}
    return {"deleted": counts | files, "still_running": deleted.still_running}


def _answer(request: Request, deleted: Deleted) -> Response:
    """What a deletion took. A file that stays is one that somebody else has: who uploads a picture and deletes it
    would learn that."""
    body = deleted_body(deleted, tells_files=caller_of(request.scope).may("manage"))
    return Response(msgspec.json.encode(body), media_type="application/json")


def _whose(request: Request) -> str | None:
    caller = caller_of(request.scope)
    return None if caller.may("manage") else caller.id


def _id_in(request: Request, name: str) -> str:
    asked = str(request.path_params[name])
    if not _ID.fullmatch(asked):
        raise Failure(Code.NOT_FOUND, f"There is no {name.removesuffix('_id')} of this id: it holds what no id does.")
    return asked


def _said(request: Request, names: Sequence[str]) -> dict[str, str]:
    """The parameters, each said once and with a value. A misspelt one would widen what is deleted."""
    said: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            raise _refusal(name[:40], f'There is no parameter "{name[:40]}". It takes {listed(names)}.')
        if name in said:
            raise _refusal(name, f"{name} is said twice. Say it once.")
        if not 1 <= len(value) <= MAX_NAME_CHARACTERS or "\0" in value:
            raise _refusal(name, f"{name} takes 1 to {MAX_NAME_CHARACTERS} characters.")
        said[name] = value
    return said


def _refusal(name: str | None, sentence: str) -> Failure:
    return Failure(Code.INVALID_VALUE, sentence, param=name)
