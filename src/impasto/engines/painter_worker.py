"""The painter's own process: takes a task, paints, leaves the picture in a file.

Rule: pixels live and die in here. What crosses to the gateway is the path of a finished
PNG and a few words, so that painting never stops an answer and never costs it memory.
"""

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path

from impasto.domain.provenance import ALGORITHMIC_MEDIA, ALGORITHMICALLY_ENHANCED
from impasto.engines.credentials import Credentials
from impasto.engines.stamp import stamped

PNG_COMPRESSION = 3
"""zlib level. Higher levels take seconds at 4K and save a few percent of a painted picture."""


@dataclass(frozen=True, slots=True)
class PaintTask:
    """What to paint: `photos` are PNG, JPEG or WebP files; without them the words are painted, with them edited.

    `width` and `height` are pixels; `None` keeps a photo's own shape. The PNG goes to `path`, signed
    where there are `credentials`.
    """

    words: str
    photos: tuple[bytes, ...]
    width: int | None
    height: int | None
    seed: int
    path: str
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Painted:
    """What was painted, or `refusal`: why the instruction cannot be followed."""

    words: str = ""
    report: dict[str, object] | None = None
    refusal: str = ""


def prepare() -> None:
    """Set up a fresh worker: Ctrl-C is the gateway's to handle, and a worker does not outlive its gateway."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def paint_task(task: PaintTask) -> Painted:
    """Paint `task` into its file. Raises `OSError` where the disk takes no more, and `SigningError`."""
    import cv2

    from impasto.painter.edit import edit
    from impasto.painter.paint import paint
    from impasto.painter.painting import CannotPaintError
    from impasto.painter.photo import decode_photo

    try:
        if task.photos:
            photos = [decode_photo(photo) for photo in task.photos]
            painting = edit(task.words, photos, width=task.width, height=task.height, seed=task.seed)
        else:
            painting = paint(task.words, width=task.width or 1024, height=task.height or 1024, seed=task.seed)
    except CannotPaintError as error:
        return Painted(refusal=str(error))
    pixels = cv2.cvtColor(painting.pixels, cv2.COLOR_RGB2BGR)
    # OpenCV's own writing of files tells nothing of a full disk.
    _, png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])
    source_type = ALGORITHMICALLY_ENHANCED if task.photos else ALGORITHMIC_MEDIA
    picture = stamped(png.data, source_type, "painter")
    if task.credentials:
        picture = task.credentials.signed(picture, source_type)
    Path(task.path).write_bytes(picture)
    return Painted(painting.words, {**painting.report, "seed": task.seed})


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
