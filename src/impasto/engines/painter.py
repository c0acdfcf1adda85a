"""The built-in painter as an answerer: a call in, events out, the painting done next door.

Rule: one worker process, made when the first picture is asked for; tasks wait in line.
A worker that dies takes its picture with it and nothing else.
"""

import asyncio
import itertools
import math
import multiprocessing
import os
import signal
import tempfile
import zlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pybase64

from impasto.domain.chat import ImagePart, ModelCall, TextPart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import (
    Event,
    Finished,
    FinishReason,
    ImageData,
    ImageEnded,
    ImageStarted,
    Report,
    Text,
    UsageSeen,
)
from impasto.domain.image import Dimensions
from impasto.domain.usage import Usage
from impasto.engines.credentials import Credentials, SigningError
from impasto.engines.painter_worker import Painted, PaintTask, paint_task, prepare

PIECE_BYTES = 192 << 10
"""A multiple of three, so that every piece of base64 stands on its own."""


def is_installed() -> bool:
    """Whether the painter's libraries are there (the extra `painter`)."""
    return find_spec("cv2") is not None and find_spec("numpy") is not None


class PainterEngine:
    """Answers calls to `local/painter`; with `credentials` its pictures are signed. `close` it at the end."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._pool: ProcessPoolExecutor | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = itertools.count()

    def check_ready(self, call: ModelCall) -> None:
        if not is_installed():
            raise Failure(
                Code.PROVIDER_NOT_CONFIGURED,
                "The built-in painter is not installed on this gateway. Its operator runs: pip install "
                "'impasto[painter]'.",
            )

    async def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        """The painter's words and its picture, once it is done. Raises `Failure`."""
        task = task_of(call, self._new_path(), self._credentials)
        painting = self._begin(task)
        try:
            painted = await self._result_of(painting)
            if painted.refusal:
                raise Failure(Code.CANNOT_PAINT, painted.refusal, param="messages")
            yield Text(painted.words)
            yield ImageStarted("image/png")
            for piece in _pieces(task.path):
                yield ImageData(pybase64.b64encode(piece))
        finally:
            # Where the caller left, the worker may not have begun, may be painting, or be done.
            painting.cancel()
            painting.add_done_callback(lambda _: Path(task.path).unlink(missing_ok=True))
        yield ImageEnded()
        yield Report(painted.report or {})
        yield UsageSeen(Usage())
        yield Finished(FinishReason.STOP, "painted")

    def close(self) -> None:
        """Stop the worker. Pictures that are not done are lost, and whoever waits for one hears so."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):  # noqa: SLF001 - public from Python 3.14 on
                process.kill()
            self._pool.shutdown(wait=True)
            self._pool = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _new_path(self) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="impasto-painter-")
        return str(Path(self._folder.name) / f"{next(self._numbers)}.png")

    def _begin(self, task: PaintTask) -> "Future[Painted]":
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=prepare)
        try:
            with _ctrl_c_held_back():
                return self._pool.submit(paint_task, task)
        except BrokenProcessPool:  # it died while nobody waited for it
            self._pool = None
            return self._begin(task)

    async def _result_of(self, painting: "Future[Painted]") -> Painted:
        pool = self._pool
        try:
            return await asyncio.wrap_future(painting)
        except BrokenProcessPool as error:
            if self._pool is pool:  # nobody has noticed before
                self._pool = None
            raise Failure(
                Code.INTERNAL, "The painter's process died over this picture; the next one gets a new process."
            ) from error
        except SigningError as error:
            raise error.as_failure() from error
        except OSError as error:
            raise Failure(
                Code.STORE_UNAVAILABLE,
                "The painter could not keep its picture: the temporary folder takes no more. Tell the operator.",
                logged=f"painter: {error}",
            ) from error


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """A worker that starts in here begins with Ctrl-C held back, until it says for itself that it ignores it."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pieces(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def task_of(call: ModelCall, path: str, credentials: Credentials | None = None) -> PaintTask:
    """What to paint: the last user's words over that turn's photos, else over the last picture of the conversation."""
    words, photos = _words_and_photos(call.turns)
    dimensions = _dimensions(call, photos)
    seed = call.sampling.seed
    return PaintTask(
        words=words,
        photos=tuple(photo.decoded() for photo in photos),
        width=dimensions.width if dimensions else None,
        height=dimensions.height if dimensions else None,
        # Without a seed the words are one: the same request gives the same picture.
        seed=zlib.crc32(words.encode()) if seed is None else seed % 2**32,
        path=path,
        credentials=credentials,
    )


def _words_and_photos(turns: Sequence[Turn]) -> tuple[str, list[ImagePart]]:
    users = [turn for turn in turns if turn.role == "user"]
    last = users[-1] if users else Turn("user", ())
    words = "\n".join(part.text for part in last.parts if isinstance(part, TextPart)).strip()
    if not words:
        raise Failure(
            Code.INVALID_VALUE, "The last user message has no words: say what to paint, or what to change.",
            param="messages",
        )  # fmt: skip
    photos = [part for part in last.parts if isinstance(part, ImagePart)]
    if not photos:
        photos = [part for turn in turns for part in turn.parts if isinstance(part, ImagePart)][-1:]
    return words, photos


def _dimensions(call: ModelCall, photos: Sequence[ImagePart]) -> Dimensions | None:
    """Pixels from the catalogue; `None` keeps a photo's own shape where none was asked for."""
    limits, config = call.model.images, call.image_config
    if limits is None:
        return None
    ratio = config.aspect_ratio
    table = limits.dimensions[config.image_size or limits.default_image_size]
    if ratio is None and photos:
        own = photos[-1].dimensions
        if own is None or config.image_size is None:
            return None
        ratio = min(table, key=lambda name: _distance(Dimensions(*table[name]), own))
    return Dimensions(*table[ratio or "1:1"])


def _distance(one: Dimensions, other: Dimensions) -> float:
    """How far two shapes are apart: the same for a portrait and for the landscape that it is on its side."""
    return abs(math.log(one.width * other.height / (one.height * other.width)))
