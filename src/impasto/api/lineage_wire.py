"""What is told of a picture: how it was made, from what, and what it cost.

Rule: it is made of what the books hold; what is not known, or not kept any more, is null.
"""

from decimal import Decimal
from typing import Protocol

from impasto.api.bill_wire import time_text
from impasto.api.chat_answer import LinkOf
from impasto.api.money import json_number
from impasto.completions.kept import asking_of
from impasto.domain.image import Dimensions
from impasto.domain.ledger import Outcome, Posted
from impasto.domain.lineage import Ancestor, Origin, PictureFacts, PictureQuestion, Sighting
from impasto.domain.pricing import cost_of
from impasto.domain.receipt import parse_facts
from impasto.domain.stored_image import StoredImage


class Lineage(Protocol):
    """Where pictures come from. Raises `ledger_unavailable`."""

    async def page(self, question: PictureQuestion) -> tuple[int, list[PictureFacts]]:
        """How many pictures are in question, and those of the page."""

    async def picture(self, image_id: str) -> PictureFacts | None:
        """The picture with this id, whoever made it, with what was made from it."""

    async def origin(self, generation_id: str) -> Origin | None:
        """What was asked of a generation in words and pictures."""

    async def sighting(self, sha256: str, key_id: str | None) -> Sighting | None:
        """When these bytes were made here, and the pictures that they are of a key, or of all."""


def picture_body(facts: PictureFacts, link_of: LinkOf | None) -> dict[str, object]:
    """All that is known of one picture."""
    image, origin = facts.image, facts.origin
    generation = origin.generation
    asking = asking_of(generation)
    return {
        "id": image.id,
        "object": "image",
        "generation_id": image.generation_id,
        "choice": image.choice,
        "sha256": image.sha256,
        "media_type": image.media_type,
        "bytes": image.byte_count,
        "dimensions": _dimensions_body(image.dimensions),
        "created_at": time_text(image.created_ms),
        "gone_at": None if image.gone_ms is None else time_text(image.gone_ms),
        "model": asking.model,
        "served_by": image.model or None,
        "provider": provider_of(image.model),
        **prompt_body(origin),
        "parents": parent_bodies(origin, link_of),
        "child_count": facts.child_count,
        "image_config": {"asked": asking.image_config.asked(), "sent": image.facts.get("sent")},
        "cost": json_number(_cost_of(facts.call)),
        "pictures_in_call": facts.pictures_in_call,
        "key": {"id": image.key_id, "name": origin.key_name or None},
        "session_id": generation.session_id,
        "user": generation.end_user,
        "tags": dict(generation.tags),
        "retention": generation.keeps,
        "provenance": image.facts.get("provenance"),
        "url": _url_of(image, link_of),
        "content_path": f"/v3/images/{image.id}/content" if image.gone_ms is None else None,
    }


def with_children(body: dict[str, object], facts: PictureFacts) -> dict[str, object]:
    """`body`, and the newest pictures that were made from it."""
    return body | {"child_ids": list(facts.child_ids)}


def prompt_body(origin: Origin | None) -> dict[str, object]:
    """What was asked for in words, where that is kept."""
    prompt = origin.prompt if origin else None
    is_cut = origin is not None and prompt is not None and len(prompt) < origin.characters
    return {"prompt": prompt, "prompt_is_cut": is_cut}


def parent_bodies(origin: Origin | None, link_of: LinkOf | None) -> list[dict[str, object]]:
    """What was given to make pictures from, in its order."""
    return [_parent_body(ancestor, link_of) for ancestor in origin.parents] if origin else []


def provider_of(model: str) -> str | None:
    """Whose model it is: what stands before its name."""
    return model.partition("/")[0] or None


def _parent_body(ancestor: Ancestor, link_of: LinkOf | None) -> dict[str, object]:
    parent, image = ancestor.parent, ancestor.image
    return {
        "kind": parent.kind,
        "id": parent.ref or None,
        "sha256": parent.sha256 or None,
        "url": _url_of(image, link_of) if image else None,
    }


def _url_of(image: StoredImage, link_of: LinkOf | None) -> str | None:
    return link_of(image.id) if link_of and image.gone_ms is None else None


def _dimensions_body(dimensions: Dimensions | None) -> dict[str, int] | None:
    return {"width": dimensions.width, "height": dimensions.height} if dimensions else None


def _cost_of(call: Posted | None) -> Decimal | None:
    """What the call came to, exactly; `None` where nobody knows, or no price is known."""
    if call is None or call.outcome is not Outcome.SETTLED or call.cost_nano is None:
        return None
    usage, price, _ = parse_facts(call.facts)
    return cost_of(usage, price)
