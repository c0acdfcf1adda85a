"""What the provider answers and what callers ask, as bytes.

Rule: the same picture in every form, incompressible, and a valid PNG, so that no
target can refuse it or save work on it.
"""

import json
import random
import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST_PICTURE_BYTES = b64encode(b"\x89PNG\r\n\x1a\n")[:10]
"""How every picture begins, whatever JSON is around it."""

PICTURE_SIZES = {"2.5mb": (1024, 2_500_000), "27mb": (4096, 27_000_000)}
"""Edge in pixels, and characters of base64."""

PHOTO_SIZE = (2048, 5_000_000)
IMAGE_MODEL, TEXT_MODEL = "gemini-2.5-flash-image", "gemini-2.5-flash"
_WORDS = "Oil paint laid on thickly enough to stand from the canvas is called impasto. " * 2
_PROMPT = "A lighthouse in oils, laid on thickly."


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything is written that a run sends."""

    path: Path

    @property
    def answers(self) -> Path:
        return self.path / "answers"

    def answer(self, name: str, kind: str) -> Path:
        """`kind` is `json` or `sse`."""
        return self.answers / f"{name}.{kind}"

    def body(self, dialect: str, name: str) -> Path:
        return self.path / f"{dialect}-{name}.json"


def write_all(path: Path) -> Folder:
    """Write every answer and every request's body into `path`."""
    folder = Folder(path)
    folder.answers.mkdir()
    (folder.answers / "nothing").touch()
    _write_answer(folder, "text", None, 0)
    for name, (edge, characters) in PICTURE_SIZES.items():
        _write_answer(folder, name, png_as_base64(edge, characters), 1290)
    photo = png_as_base64(*PHOTO_SIZE)
    for name, image, model in (
        ("text", None, TEXT_MODEL),
        ("picture", None, IMAGE_MODEL),
        ("edit", photo, IMAGE_MODEL),
    ):
        config = (
            None
            if model == TEXT_MODEL
            else {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "1:1"}}
        )
        folder.body("gemini", name).write_text(json.dumps(_gemini_request(image, config)))
        folder.body("whole", name).write_text(json.dumps(_chat_request(image, model, {})))
        folder.body("streamed", name).write_text(json.dumps(_chat_request(image, model, {"stream": True})))
        folder.body("litellm", name).write_text(json.dumps(_litellm_request(image, model)))
    return folder


def png_as_base64(edge: int, characters: int) -> str:
    """A black square with a private chunk of noise behind its header; `characters` is a multiple of four."""
    pixels = zlib.compress(bytes((3 * edge + 1) * edge), 1)
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0))
    tail = _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    start = b"\x89PNG\r\n\x1a\n" + header
    noise = random.Random(characters).randbytes(characters // 4 * 3 - len(start) - len(tail) - 12)
    return b64encode(start + _chunk(b"ruNd", noise) + tail).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _write_answer(folder: Folder, name: str, picture: str | None, image_tokens: int) -> None:
    parts: list[dict[str, Any]] = [{"text": _WORDS}]
    if picture:
        parts.append({"inlineData": {"mimeType": "image/png", "data": picture}})
    details = [{"modality": "IMAGE", "tokenCount": image_tokens}] if image_tokens else []
    end = _gemini_answer([], image_tokens, details)
    whole = _gemini_answer(parts, image_tokens, details)
    # Google writes whole answers over many lines, and each event of a stream on one.
    folder.answer(name, "json").write_text(json.dumps(whole, indent=2) + "\n")
    events = [{"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}]} for part in parts]
    lines = "".join(f"data: {json.dumps(event)}\r\n\r\n" for event in [*events, end])
    folder.answer(name, "sse").write_bytes(lines.encode())


def _gemini_answer(parts: list[dict[str, Any]], image_tokens: int, details: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 12,
            "candidatesTokenCount": 32 + image_tokens,
            "totalTokenCount": 44 + image_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],
            "candidatesTokensDetails": details,
        },
        "modelVersion": IMAGE_MODEL if image_tokens else TEXT_MODEL,
        "responseId": "b9XvaJbKNqKV7M8P0-uTyQk",
    }


def _gemini_request(image: str | None, config: dict[str, Any] | None) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": _PROMPT}]
    if image:
        parts.append({"inlineData": {"mimeType": "image/png", "data": image}})
    request: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}]}
    return request | ({"generationConfig": config} if config else {})


def _chat_request(image: str | None, model: str, more: dict[str, Any]) -> dict[str, Any]:
    content: Any = _PROMPT
    if image:
        url = {"url": "data:image/png;base64," + image}
        content = [{"type": "text", "text": _PROMPT}, {"type": "image_url", "image_url": url}]
    request: dict[str, Any] = {"model": f"google/{model}", "messages": [{"role": "user", "content": content}]}
    if model == IMAGE_MODEL:
        request["image_config"] = {"aspect_ratio": "1:1"}
    return request | more


def _litellm_request(image: str | None, model: str) -> dict[str, Any]:
    more = {"modalities": ["image", "text"]} if model == IMAGE_MODEL else {}
    return _chat_request(image, model, more)
