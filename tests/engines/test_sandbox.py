"""The sandbox: a real picture in the ratio that was asked for, words where words are wanted, and no bill."""

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from impasto.completions.ports import Answerers
from impasto.domain.chat import ModelCall, Sampling, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, ImageData, ImageEnded, ImageStarted, Text, UsageSeen
from impasto.domain.image import ImageConfig
from impasto.domain.provenance import ALGORITHMIC_MEDIA, Provenance, provenance_of
from impasto.domain.tools import ResponseFormat
from impasto.domain.usage import Usage
from impasto.engines.credentials import Credentials, load_credentials
from impasto.engines.sandbox import JSON_WORDS, LONGEST_SIDE, PICTURE_WORDS, WORDS, Sandbox
from tests.fakes.certificates import KEYS, chain_for, pem_of, written
from tests.fakes.models import a_call, a_model, a_text_model

END = [UsageSeen(Usage()), Finished(FinishReason.STOP, "sandbox")]


async def answer_to(call: ModelCall) -> list[Event]:
    sandbox: Answerers = Sandbox()
    sandbox.check_ready(call)
    return [event async for event in sandbox.answer(call)]


def png_in(events: Sequence[Event]) -> bytes:
    [data] = [event.data for event in events if isinstance(event, ImageData)]
    return base64.b64decode(data, validate=True)


async def picture_for(**changes: object) -> bytes:
    return png_in(await answer_to(a_call(**changes)))  # type: ignore[arg-type]


async def test_a_picture_comes_with_words_and_without_a_bill() -> None:
    events = await answer_to(a_call())
    started, data, *rest = events[1:]
    assert events[0] == Text(PICTURE_WORDS)
    assert started == ImageStarted("image/png")
    assert isinstance(data, ImageData)
    assert rest == [ImageEnded(), *END]


@pytest.mark.parametrize(
    ("ratio", "width", "height"),
    [(None, 64, 64), ("1:1", 64, 64), ("16:9", 64, 36), ("9:16", 36, 64), ("4:5", 51, 64), ("8:1", 64, 8),
     ("1:1000", 1, 64), ("0:1", 64, 64), ("wide", 64, 64), ("²:1", 64, 64)],
)  # fmt: skip
async def test_it_has_the_ratio_that_was_asked_for(ratio: str | None, width: int, height: int) -> None:
    png = await picture_for(image_config=ImageConfig(ratio, "4K"))
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (height, width, 3)
    assert max(width, height) == LONGEST_SIDE
    assert len(png) < 8192


async def test_it_is_a_gradient_in_a_frame() -> None:
    pixels = cv2.imdecode(np.frombuffer(await picture_for(), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert len(np.unique(np.concatenate([pixels[:2].reshape(-1, 3), pixels[:, :2].reshape(-1, 3)]), axis=0)) == 1
    assert len(np.unique(pixels[2:-2, 2:-2].reshape(-1, 3), axis=0)) > 10


async def test_the_same_call_gives_the_same_picture_and_another_another() -> None:
    pictures = [
        await picture_for(), await picture_for(), await picture_for(turns="a pear"),
        await picture_for(sampling=Sampling(seed=1)), await picture_for(sampling=Sampling(seed=2)),
    ]  # fmt: skip
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 4


async def test_words_are_answered_with_words() -> None:
    assert await answer_to(a_call(a_text_model())) == [Text(WORDS), *END]
    assert await answer_to(a_call(modalities=("text",))) == [Text(WORDS), *END]
    assert await answer_to(a_call(a_text_model(), response_format=ResponseFormat())) == [Text(JSON_WORDS), *END]


async def test_a_picture_alone_comes_alone() -> None:
    for call in (a_call(modalities=("image",)), a_call(a_model(output=("image",)))):
        assert isinstance((await answer_to(call))[0], ImageStarted)


async def test_any_conversation_is_answered() -> None:
    for turns in ((), (Turn("user", ()),), "\ud800"):
        assert await picture_for(turns=turns)


# --- what pictures say of their origin ---


def origin_of(picture: bytes) -> Provenance:
    return provenance_of(lambda offset, count: picture[offset : offset + count], len(picture), "image/png")


async def test_pictures_say_that_an_algorithm_made_them() -> None:
    assert origin_of(await picture_for()) == Provenance(None, ALGORITHMIC_MEDIA)


async def test_with_credentials_pictures_are_signed(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    key = KEYS["es256"]()
    sandbox = Sandbox(load_credentials(*written(tmp_path, chain_for(key), pem_of(key))))
    found = origin_of(png_in([event async for event in sandbox.answer(a_call())])).c2pa
    assert found is not None
    assert (found.claim_generator, found.digital_source_type) == ("impasto", ALGORITHMIC_MEDIA)


async def test_a_picture_that_cannot_be_signed_is_a_failure_of_ours() -> None:
    pytest.importorskip("c2pa")
    sandbox = Sandbox(Credentials(b"no certificate", b"no key", "es256"))
    with pytest.raises(Failure) as raised:
        [event async for event in sandbox.answer(a_call())]
    assert raised.value.code is Code.INTERNAL
