import asyncio
import base64
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from impasto import __version__
from impasto.domain.chat import ImagePart, ModelCall, Sampling, TextPart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, ImageData, ImageEnded, ImageStarted, Report, Text
from impasto.domain.image import Dimensions, ImageConfig, dimensions_of, media_type_of
from impasto.domain.model import ImageLimits
from impasto.domain.provenance import ALGORITHMIC_MEDIA, ALGORITHMICALLY_ENHANCED, Provenance, provenance_of
from impasto.engines.credentials import Credentials, load_credentials
from impasto.engines.painter import PIECE_BYTES, PainterEngine, is_installed, task_of
from tests.fakes.certificates import KEYS, chain_for, pem_of, written
from tests.fakes.models import a_call, a_model, a_text_model
from tests.fakes.pictures import png

SMALL = ImageLimits(
    aspect_ratios=("1:1", "16:9", "9:16", "4:1", "1:4"),
    image_sizes=("1K", "2K"),
    default_image_size="1K",
    dimensions={
        "1K": {"1:1": (64, 64), "16:9": (96, 54), "9:16": (54, 96), "4:1": (128, 32), "1:4": (32, 128)},
        "2K": {"1:1": (128, 128), "16:9": (192, 108), "9:16": (108, 192), "4:1": (256, 64), "1:4": (64, 256)},
    },
)
PAINTER = a_model("painter", images=SMALL)
RED, GREEN = png(3, 2), png(2, 3, (0, 255, 0))

needs_painter = pytest.mark.skipif(not is_installed(), reason="the painter's libraries are not installed")


@pytest.fixture
def engine() -> Iterator[PainterEngine]:
    engine = PainterEngine()
    yield engine
    engine.close()


def photo(data: bytes, width: int, height: int) -> ImagePart:
    return ImagePart(base64.b64encode(data), "image/png", Dimensions(width, height), "messages[0].content[0]")


def saying(*parts: str | ImagePart, role: Any = "user") -> Turn:
    return Turn(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def painting(turns: Sequence[Turn] | str = "a banana", **changes: Any) -> ModelCall:
    return a_call(PAINTER, turns, **changes)


async def painted(engine: PainterEngine, call: ModelCall | None = None) -> list[Event]:
    return [event async for event in engine.answer(call or painting())]


def picture_in(events: list[Event]) -> bytes:
    return b"".join(base64.b64decode(event.data, validate=True) for event in events if isinstance(event, ImageData))


def size_of(picture: bytes) -> Dimensions | None:
    return dimensions_of(lambda offset, count: picture[offset : offset + count], "image/png")


def files_of(engine: PainterEngine) -> list[Path]:
    assert engine._folder is not None
    return list(Path(engine._folder.name).iterdir())


def worker_of(engine: PainterEngine) -> int:
    assert engine._pool is not None
    (pid,) = engine._pool._processes
    return pid


# --- what to paint ---


def task(turns: Sequence[Turn] | str = "a banana", **changes: Any) -> Any:
    return task_of(painting(turns, **changes), "/a.png")


def test_words_are_painted_at_the_catalogues_dimensions() -> None:
    assert (task().words, task().photos, task().path) == ("a banana", (), "/a.png")
    for config, expected in (
        (ImageConfig(), (64, 64)),
        (ImageConfig("16:9"), (96, 54)),
        (ImageConfig(image_size="2K"), (128, 128)),
        (ImageConfig("9:16", "2K"), (108, 192)),
    ):
        found = task(image_config=config)
        assert (found.width, found.height) == expected


def test_all_words_of_the_last_user_count() -> None:
    turns = [saying("be kind", role="system"), saying("a pear"), saying("Here."), saying(" a banana", "ripe ")]
    assert task(turns).words == "a banana\nripe"


def test_the_users_photos_are_edited() -> None:
    found = task([saying("as a sketch", photo(RED, 3, 2), photo(GREEN, 2, 3))])
    assert found.photos == (RED, GREEN)


def test_without_one_the_last_picture_of_the_conversation_is_edited() -> None:
    turns = [
        saying("a banana", photo(RED, 3, 2)),
        saying("Here.", photo(GREEN, 2, 3), role="assistant"),
        saying("now at night"),
    ]
    assert task(turns).photos == (GREEN,)
    assert task([turns[0], turns[2]]).photos == (RED,)


@pytest.mark.parametrize(
    "turns", [(), [saying("")], [saying(" \n")], [saying(photo(RED, 3, 2))], [saying("hello", role="assistant")]]
)
def test_without_words_there_is_nothing_to_paint(turns: Sequence[Turn]) -> None:
    with pytest.raises(Failure) as raised:
        task(turns)
    assert (raised.value.code, raised.value.param) == (Code.INVALID_VALUE, "messages")


@pytest.mark.parametrize(
    ("config", "width", "height", "expected"),
    [
        (ImageConfig(), 300, 200, (None, None)),
        (ImageConfig("1:1"), 300, 200, (64, 64)),
        (ImageConfig("1:1", "2K"), 300, 200, (128, 128)),
        (ImageConfig(image_size="2K"), 300, 300, (128, 128)),
        (ImageConfig(image_size="2K"), 160, 100, (192, 108)),
        (ImageConfig(image_size="2K"), 100, 160, (108, 192)),
        (ImageConfig(image_size="2K"), 2600, 1000, (192, 108)),
        (ImageConfig(image_size="2K"), 1000, 2600, (108, 192)),
        (ImageConfig(image_size="2K"), 2700, 1000, (256, 64)),
        (ImageConfig(image_size="2K"), 1000, 2700, (64, 256)),
    ],
)
def test_a_photo_keeps_its_shape_or_takes_the_nearest(
    config: ImageConfig, width: int, height: int, expected: tuple[int | None, int | None]
) -> None:
    found = task([saying("as a sketch", photo(RED, width, height))], image_config=config)
    assert (found.width, found.height) == expected


def test_a_photo_of_unknown_dimensions_keeps_its_shape() -> None:
    unknown = replace(photo(RED, 1, 1), dimensions=None)
    found = task([saying("as a sketch", unknown)], image_config=ImageConfig(image_size="2K"))
    assert (found.width, found.height) == (None, None)


def test_a_model_without_limits_leaves_the_dimensions_open() -> None:
    found = task_of(a_call(a_text_model(), "a banana"), "/a.png")
    assert (found.width, found.height) == (None, None)


def test_the_same_request_has_the_same_seed() -> None:
    assert task().seed == task().seed != task("a pear").seed
    assert task(sampling=Sampling(seed=7)).seed == 7
    assert task(sampling=Sampling(seed=-1)).seed == 2**32 - 1
    assert 0 <= task(sampling=Sampling(seed=2**40 + 3)).seed < 2**32


# --- painting ---


@needs_painter
async def test_a_painting_is_words_a_picture_and_a_report(engine: PainterEngine) -> None:
    engine.check_ready(painting())
    events = await painted(engine, painting(image_config=ImageConfig("16:9")))
    kinds = [type(event) for event in events if not isinstance(event, ImageData)]
    assert kinds[:3] == [Text, ImageStarted, ImageEnded]
    assert events[-1] == Finished(FinishReason.STOP, "painted")
    picture = picture_in(events)
    assert media_type_of(picture[:64]) == "image/png"
    assert size_of(picture) == Dimensions(96, 54)
    assert all(len(event.data) <= PIECE_BYTES // 3 * 4 for event in events if isinstance(event, ImageData))
    (report,) = [event.facts for event in events if isinstance(event, Report)]
    assert report["seed"] == task().seed
    assert files_of(engine) == []


@needs_painter
async def test_the_same_request_gives_the_same_picture(engine: PainterEngine) -> None:
    first, again, other = [
        picture_in(await painted(engine, call))
        for call in (painting(), painting(), painting(sampling=Sampling(seed=1)))
    ]
    assert first == again != other


@needs_painter
async def test_calls_wait_in_line(engine: PainterEngine) -> None:
    answers = await asyncio.gather(*(painted(engine, painting(sampling=Sampling(seed=seed))) for seed in range(4)))
    assert len({picture_in(events) for events in answers}) == 4
    assert files_of(engine) == []


@needs_painter
async def test_what_cannot_be_painted_is_refused(engine: PainterEngine) -> None:
    with pytest.raises(Failure) as raised:
        await painted(engine, painting([saying("as a sketch", photo(RED[:40], 3, 2))]))
    assert (raised.value.code, raised.value.param) == (Code.CANNOT_PAINT, "messages")
    assert files_of(engine) == []


@needs_painter
async def test_a_dead_worker_takes_its_pictures_and_nothing_else(engine: PainterEngine) -> None:
    await painted(engine)
    tasks = [asyncio.create_task(painted(engine)) for _ in range(2)]
    await asyncio.sleep(0)
    os.kill(worker_of(engine), signal.SIGKILL)
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert [failure.code for failure in failures if isinstance(failure, Failure)] == [Code.INTERNAL] * 2
    assert picture_in(await painted(engine))
    assert files_of(engine) == []


@needs_painter
async def test_a_worker_that_died_unseen_is_replaced(engine: PainterEngine) -> None:
    await painted(engine)
    os.kill(worker_of(engine), signal.SIGKILL)
    await asyncio.sleep(0.3)
    assert picture_in(await painted(engine))


@needs_painter
async def test_whoever_leaves_leaves_no_file(engine: PainterEngine) -> None:
    await painted(engine)
    tasks = [asyncio.create_task(painted(engine)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for leaving in tasks:
        leaving.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)
    await painted(engine)
    assert files_of(engine) == []


@needs_painter
async def test_an_answer_read_in_part_leaves_no_file(engine: PainterEngine) -> None:
    for wanted in (Text, ImageStarted, ImageData):
        events = engine.answer(painting())
        while not isinstance(await anext(events), wanted):
            pass
        await events.aclose()
        assert files_of(engine) == []


@needs_painter
async def test_a_folder_that_takes_no_more_is_ours(engine: PainterEngine) -> None:
    await painted(engine)
    assert engine._folder is not None
    engine._folder.cleanup()
    with pytest.raises(Failure) as raised:
        await painted(engine)
    assert raised.value.code is Code.STORE_UNAVAILABLE


@needs_painter
async def test_closing_ends_the_worker_and_takes_the_folder(engine: PainterEngine) -> None:
    await painted(engine)
    pid, folder = worker_of(engine), Path(engine._folder.name) if engine._folder else Path()
    lost = asyncio.create_task(painted(engine))
    await asyncio.sleep(0)
    engine.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Failure):
        await lost


def test_an_engine_that_never_painted_can_be_closed() -> None:
    engine = PainterEngine()
    engine.close()
    engine.close()


# --- what pictures say of their origin ---


def origin_of(picture: bytes) -> Provenance:
    return provenance_of(lambda offset, count: picture[offset : offset + count], len(picture), "image/png")


@needs_painter
async def test_pictures_say_that_an_algorithm_made_or_changed_them(engine: PainterEngine) -> None:
    made = picture_in(await painted(engine))
    changed = picture_in(await painted(engine, painting([saying("as a sketch", photo(RED, 3, 2))])))
    assert origin_of(made) == Provenance(None, ALGORITHMIC_MEDIA)
    assert origin_of(changed) == Provenance(None, ALGORITHMICALLY_ENHANCED)
    for picture in (made, changed):
        assert f"impasto painter {__version__}".encode() in picture
        assert b"banana" not in picture
        assert b"sketch" not in picture


@needs_painter
async def test_with_credentials_pictures_are_signed(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    key = KEYS["ed25519"]()
    engine = PainterEngine(load_credentials(*written(tmp_path, chain_for(key), pem_of(key))))
    try:
        made = origin_of(picture_in(await painted(engine)))
        changed = origin_of(picture_in(await painted(engine, painting([saying("as a sketch", photo(RED, 3, 2))]))))
    finally:
        engine.close()
    assert made.c2pa is not None
    assert changed.c2pa is not None
    assert (made.c2pa.claim_generator, made.c2pa.digital_source_type) == ("impasto", ALGORITHMIC_MEDIA)
    assert changed.c2pa.digital_source_type == ALGORITHMICALLY_ENHANCED


@needs_painter
async def test_a_picture_that_cannot_be_signed_is_ours_and_the_next_one_too() -> None:
    pytest.importorskip("c2pa")
    engine = PainterEngine(Credentials(b"no certificate", b"no key", "es256"))
    try:
        for _ in range(2):
            with pytest.raises(Failure) as raised:
                await painted(engine)
            assert raised.value.code is Code.INTERNAL
            assert raised.value.logged.startswith("content credentials: ")
            assert files_of(engine) == []
    finally:
        engine.close()
