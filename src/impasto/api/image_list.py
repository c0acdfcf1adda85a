"""GET /v3/images and /v3/images/{id}: what was made, from what, for how much.

Rule: a picture is there for the key that made it and for whoever manages the gateway; to everybody else it does not
exist. A parameter that is not known is refused, because a filter that does nothing would show more than was asked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from impasto.api.auth import caller_of
from impasto.api.chat_answer import LinkOf
from impasto.api.lineage_wire import Lineage, picture_body, with_children
from impasto.api.moments import end_ms_of, first_ms_of
from impasto.api.query import number_of
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.keys import VirtualKey
from impasto.domain.lineage import PictureFacts, PictureQuestion, words_of

PARAMETERS = (
    "query", "model", "session_id", "user", "parent", "since", "until", "include_gone", "key_id", "page", "limit",
)  # fmt: skip
DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_PAGE = 10**6
YES_OR_NO = {"true": True, "false": False}

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageList:
    """The resource."""

    lineage: Lineage
    link_of: LinkOf | None

    async def list(self, request: Request) -> Response:
        question = parse_question(request.query_params, caller_of(request.scope))
        total, found = await self.lineage.page(question)
        body = list_body(question, total, found, self.link_of)
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def one(self, request: Request) -> Response:
        image_id, caller = str(request.path_params["image_id"]), caller_of(request.scope)
        facts = await self.lineage.picture(image_id) if _ID.fullmatch(image_id) else None
        if facts is None or not (facts.image.key_id == caller.id or caller.may("manage")):
            raise Failure(
                Code.NOT_FOUND,
                "There is no such picture, or this key did not make it. GET /v3/images lists those of a key.",
            )
        body = with_children(picture_body(facts, self.link_of), facts)
        return Response(msgspec.json.encode(body), media_type="application/json")


def list_body(
    question: PictureQuestion, total: int, found: Sequence[PictureFacts], link_of: LinkOf | None
) -> dict[str, object]:
    """A page of pictures, `found`, of `total`."""
    return {
        "object": "list",
        "items": [picture_body(facts, link_of) for facts in found],
        "total": total,
        "page": question.offset // question.limit + 1,
        "limit": question.limit,
        "total_pages": -(-total // question.limit),
    }


def parse_question(said: QueryParams, caller: VirtualKey) -> PictureQuestion:
    """What is asked for. Raises 400 naming the parameter and what it takes, and 403 for another key's pictures."""
    for name in said:
        if name not in PARAMETERS:
            raise _refused(name, f'There is no parameter "{name[:80]}" here. It takes {listed(PARAMETERS)}.')
        if len(said.getlist(name)) > 1:
            raise _refused(name, f"{name} is given twice. Give it once.")
        if "\x00" in said[name]:  # PostgreSQL has no place for it in a text
            raise _refused(name, f"{name} holds a character that is no text. Leave it out.")
    since_ms, until_ms = first_ms_of(said, "since"), end_ms_of(said, "until")
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise _refused("until", f"until {said['until']} is not after since {said['since']}. Give the earlier as since.")
    limit = number_of(said, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT)
    return PictureQuestion(
        key_id=_key_id(said, caller),
        words=words_of(said["query"]) if "query" in said else (),
        model=said.get("model"),
        session_id=said.get("session_id"),
        end_user=said.get("user"),
        parent=said.get("parent"),
        since_ms=since_ms,
        until_ms=until_ms,
        include_gone=_yes_or_no(said, "include_gone"),
        limit=limit,
        offset=(number_of(said, "page", 1, MAX_PAGE, 1) - 1) * limit,
    )


def _key_id(said: QueryParams, caller: VirtualKey) -> str:
    key_id = said.get("key_id", caller.id)
    if key_id != caller.id and not caller.may("manage"):
        raise Failure(
            Code.NOT_ALLOWED,
            f'key_id: the key "{caller.name}" sees its own pictures alone; those of others take the scope manage. '
            "Leave key_id out.",
            param="key_id",
        )
    return key_id


def _yes_or_no(said: QueryParams, name: str) -> bool:
    value = said.get(name, "false")
    if value not in YES_OR_NO:
        raise _refused(name, f'{name} "{value[:40]}" is not possible. It takes {listed(list(YES_OR_NO))}.')
    return YES_OR_NO[value]


def _refused(param: str, message: str) -> Failure:
    return Failure(Code.INVALID_VALUE, message, param=param[:80])
