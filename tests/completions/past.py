"""What happened before a request: answers with pictures and signatures, kept as a gateway keeps them."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from impasto.completions.answer import Asking, Bill, CostStatus, Manner, ServedBy
from impasto.completions.kept import (
    KeptAnswers,
    KeptCompletion,
    KeptPicture,
    KeptSignature,
    KeptWords,
    encode,
)
from impasto.completions.recall import OwnLink, Recall, Recalled
from impasto.domain.chat import ChatRequest, Kept, Message, MessagePart, TextPart
from impasto.domain.events import Finished, FinishReason
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.ledger import Delivery, Generation, State
from impasto.domain.model import Provider
from impasto.domain.stored_image import StoredImage, Upload
from impasto.domain.usage import Usage
from tests.fakes.blobs import MemoryStore
from tests.fakes.gallery import MemoryGallery
from tests.fakes.ledger import MemoryLedger
from tests.fakes.models import a_model, a_request

ANN, BOB = "key-ann", "key-bob"
FOREIGN_URL = "https://elsewhere.test/a.png"
COMPLETION_TOKENS = 1170


@dataclass(frozen=True, slots=True)
class Said:
    """Words of the model, in one piece; with `signature`, a part of their own."""

    text: str
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Drew:
    """A picture of the model."""

    data: bytes
    signature: bytes = b""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(data: bytes) -> Kept:
    return Kept(sha256(data), len(data))


@dataclass
class Past:
    """A gateway's memory. `links` are its own, by URL."""

    gallery: MemoryGallery = field(default_factory=MemoryGallery)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    store: MemoryStore = field(default_factory=MemoryStore)
    links: dict[str, OwnLink] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def answered(
        self, *items: Said | Drew, key: str = ANN, session: str | None = None, provider: Provider | None = None
    ) -> list[StoredImage]:
        """An answer that was given and kept; its pictures."""
        return self.answered_several(items, key=key, session=session, provider=provider)

    def answered_several(
        self,
        *choices: tuple[Said | Drew, ...],
        key: str = ANN,
        session: str | None = None,
        provider: Provider | None = None,
    ) -> list[StoredImage]:
        """One with several choices."""
        number = next(self._numbers)
        images: list[StoredImage] = []
        completions: list[KeptCompletion] = []
        model = a_model() if provider is None else a_model(provider=provider, id=f"{provider.id}/painter")
        for choice, items in enumerate(choices):
            parts = [self._part(item, f"{number}-{choice}-{place}") for place, item in enumerate(_runs(items))]
            images += [
                StoredImage(
                    part.id, f"gen-{number}", key, part.sha256, part.media_type, part.byte_count, part.dimensions,
                    number, choice,
                )
                for part in parts if isinstance(part, KeptPicture)
            ]  # fmt: skip
            completions.append(
                KeptCompletion(
                    choice, ServedBy.of(model), False, ImageConfig(), tuple(parts),
                    Bill(Usage(output_image_tokens=1120, thought_tokens=50), Decimal(1), CostStatus.EXACT),
                    Finished(FinishReason.STOP, "STOP"), {},
                )
            )  # fmt: skip
        self.gallery.kept += images
        if session is not None:
            self.gallery.session_of[f"gen-{number}"] = session
        self._remember(f"gen-{number}", key, KeptAnswers(tuple(completions)))
        return images

    def uploaded(self, data: bytes, upload_id: str = "up-1", *, key: str = ANN, expires_ms: int = 10**15) -> Upload:
        upload = Upload(
            upload_id, key, self._keep(data), "photo.png", "image/png", len(data), Dimensions(3, 2), "vision", 0,
            expires_ms,
        )  # fmt: skip
        self.gallery.uploaded.append(upload)
        return upload

    def let_go(self, image: StoredImage) -> None:
        """Its bytes are no longer kept."""
        self.gallery.kept = [replace(each, gone_ms=9) if each == image else each for each in self.gallery.kept]
        self.store.kept.pop(image.sha256, None)

    def forget_answer(self, image: StoredImage) -> None:
        """Its row stays, and the answer that it is from is not kept any more."""
        generations = self.ledger.generations
        generations[image.generation_id] = replace(generations[image.generation_id], answer=None)

    async def recalled(
        self, *messages: Message, key: str = ANN, session: str | None = None, **changes: Any
    ) -> Recalled:
        recall = Recall(self.gallery, self.ledger, self.store, self.links.get)
        recalled = await recall.recalled(a_request("google/painting-model", *messages, **changes), key, session)
        assert self.store.open_blobs == []
        return recalled

    def _part(self, item: Drew | list[Said], name: str) -> KeptPicture | KeptWords:
        if isinstance(item, Drew):
            signature = self._keep(item.signature) if item.signature else ""
            return KeptPicture(
                f"img_{name}", self._keep(item.data), len(item.data), "image/png", Dimensions(3, 2), signature,
                len(item.signature),
            )  # fmt: skip
        signed = tuple(
            KeptSignature(place, place + 1, self._keep(said.signature), len(said.signature))
            for place, said in enumerate(item)
            if said.signature
        )
        return KeptWords(tuple(said.text for said in item), signed)

    def _keep(self, data: bytes) -> str:
        self.store.kept[sha256(data)] = data
        return sha256(data)

    def _remember(self, generation_id: str, key: str, answers: KeptAnswers) -> None:
        self.ledger.generations[generation_id] = Generation(
            id=generation_id, key_id=key, account_id=key, model="google/painting-model", state=State.DONE,
            delivery=Delivery.DELIVERED, created_ms=1, ended_ms=2,
            request=encode(Asking(1, "google/painting-model", ImageConfig(), 1, Manner())).decode(),
            answer=encode(answers).decode(), answer_sha256=None, tags={}, calls=(), sent=True,
        )  # fmt: skip


def _runs(items: tuple[Said | Drew, ...]) -> list[Drew | list[Said]]:
    """Words that follow each other as one run."""
    runs: list[Drew | list[Said]] = []
    for item in items:
        if isinstance(item, Drew):
            runs.append(item)
        elif runs and isinstance(runs[-1], list):
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs


def assistant(*parts: MessagePart | str) -> Message:
    return Message("assistant", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def user(*parts: MessagePart | str) -> Message:
    return Message("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def parts_of(recalled: Recalled | ChatRequest) -> list[MessagePart]:
    request = recalled.request if isinstance(recalled, Recalled) else recalled
    return [part for message in request.messages for part in message.parts]
