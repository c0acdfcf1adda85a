"""Where pictures come from, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from impasto.domain.image import Dimensions
from impasto.domain.ledger import Delivery, Generation, Outcome, Posted, State
from impasto.domain.lineage import Origin, PictureFacts, PictureQuestion, Sighting
from impasto.domain.stored_image import StoredImage
from tests.fakes.books import FACTS

SHA256 = "ab" * 32
REQUEST = (
    '{"created":1795000000,"model":"brush","image_config":{"aspect_ratio":"16:9","image_size":"2K"},"count":1,'
    '"manner":{}}'
)
SETTLED = Posted(0, 100_000_000, 1_795_000_000_000, Outcome.SETTLED, 68_561_500, "maker/brush", FACTS)


def a_generation(generation_id: str = "chatcmpl-1", **changes: object) -> Generation:
    """One of key-1 that made a picture."""
    made = Generation(
        generation_id, "key-1", "key-1", "maker/brush", State.DONE, Delivery.DELIVERED, 1_795_000_000_000,
        1_795_000_009_000, REQUEST, None, None, {"project": "fruit"}, (SETTLED,), True, "talk", "eve",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def a_picture(image_id: str = "img_1", **changes: object) -> StoredImage:
    made = StoredImage(
        image_id, "chatcmpl-1", "key-1", SHA256, "image/png", 1000, Dimensions(2048, 1152), 1_795_000_009_000, 0,
        "maker/brush", {"sent": {"aspect_ratio": "16:9"}, "provenance": {"c2pa": True}},
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def some_facts(
    image: StoredImage | None = None, generation: Generation | None = None, **changes: object
) -> PictureFacts:
    """What is known of a picture; `changes` are those of its origin."""
    image = image or a_picture()
    generation = generation or a_generation(image.generation_id, key_id=image.key_id)
    origin = Origin(generation, "generator", "a cat", 5, (), ((image.id, image.choice),))
    return PictureFacts(image, replace(origin, **changes))  # type: ignore[arg-type]


@dataclass(slots=True)
class MemoryLineage:
    """`known` are all pictures, the newest first; `questions` those that were asked. Pages look at the key alone."""

    known: Sequence[PictureFacts] = ()
    questions: list[PictureQuestion] = field(default_factory=list)

    async def page(self, question: PictureQuestion) -> tuple[int, list[PictureFacts]]:
        self.questions.append(question)
        found = [facts for facts in self.known if facts.image.key_id == question.key_id]
        return len(found), found[question.offset : question.offset + question.limit]

    async def picture(self, image_id: str) -> PictureFacts | None:
        return next((facts for facts in self.known if facts.image.id == image_id), None)

    async def origin(self, generation_id: str) -> Origin | None:
        return next((facts.origin for facts in self.known if facts.image.generation_id == generation_id), None)

    async def sighting(self, sha256: str, key_id: str | None) -> Sighting | None:
        made = [facts for facts in self.known if facts.image.sha256 == sha256]
        if not made:
            return None
        first = made[-1].image
        shown = tuple(facts for facts in made if key_id in (None, facts.image.key_id))
        return Sighting(first.created_ms, first.model, len(shown), shown)
