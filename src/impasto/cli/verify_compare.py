"""What the catalogue claims of a model, against what came back.

Rule: a picture is measured from its own bytes; what the provider did not say is never taken for confirmed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import click

from impasto.cli.answers import cost_text, picture_in
from impasto.cli.models import is_retired
from impasto.cli.verify_plan import Check, Kind, dollars
from impasto.domain.image import Dimensions, dimensions_of, media_type_of
from impasto.domain.model import Model

_RATIO_TOLERANCE = 0.05
"""Models round to multiples of 8 or 16 pixels; what is further off is another shape."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that was compared. `claimed` and `got` are words for a person."""

    what: str
    claimed: str
    got: str
    agrees: bool

    @property
    def sentence(self) -> str:
        return f"{self.what}: {self.claimed} claimed, {self.got} came"


@dataclass(frozen=True, slots=True)
class SeenPicture:
    """A picture as it came: what its label says, and what its bytes say."""

    label: str
    media_type: str | None
    dimensions: Dimensions | None

    @property
    def pixels(self) -> str:
        return "unknown pixels" if self.dimensions is None else _pixels(self.dimensions.width, self.dimensions.height)


def what_came(check: Check, answer: dict[str, Any]) -> SeenPicture | None:
    """The picture that was asked for, or `None` where words were and words came.

    Raises `click.ClickException` with what came in its place.
    """
    if check.kind is not Kind.WORDS:
        return _seen(picture_in(answer), data_url_in(answer))
    refusal = answer["choices"][0]["message"].get("refusal")
    if refusal:
        raise click.ClickException(f"Refused: {refusal} ({cost_text(answer)})")
    if not _words_in(answer).strip():
        raise click.ClickException(f"The answer holds no words ({_finish_text(answer)}, {cost_text(answer)}).")
    return None


def _seen(data: bytes, data_url: str) -> SeenPicture:
    media_type = media_type_of(data[:256])
    dimensions = dimensions_of(lambda offset, count: data[offset : offset + count], media_type or "")
    return SeenPicture(data_url[len("data:") : data_url.index(";")], media_type, dimensions)


def data_url_in(answer: dict[str, Any]) -> str:
    """The picture as a second turn sends it back."""
    return str(answer["choices"][0]["message"]["content"])


def is_gone(model: Model) -> bool:
    """Whether the catalogue says that the name it is sent under is no longer known to its provider."""
    return is_retired(model) and model.wire_name == model.id.partition("/")[2]


def claims_of(check: Check, answer: dict[str, Any], served_by: Model, picture: SeenPicture | None) -> tuple[Claim, ...]:
    """Everything that can be compared, of whoever answered."""
    claims = [_serving(check.model, answer.get("served_by")), _finish(answer)]
    if picture is not None:
        claims += [*_shape(check, served_by, picture), _label(picture), _applied(answer, picture)]
        claims.append(_tokens(check, served_by, answer))
    claims.append(_cost(check, answer))
    return tuple(claims)


def retirement(model: Model) -> Claim:
    """The claim about a model that its provider said it does not know."""
    return Claim("service", _service(model), "the answer that there is no such model", is_gone(model))


def sentence_of(claims: Sequence[Claim]) -> str:
    """What differs or, where nothing does, what was confirmed."""
    wrong = [claim.sentence for claim in claims if not claim.agrees]
    if wrong:
        return f"{'; '.join(wrong)}."
    return f"As claimed: {'; '.join(f'{claim.what} {claim.got}' for claim in claims)}."


def got_of(answer: dict[str, Any], picture: SeenPicture | None) -> str:
    """What came, in a few words."""
    finish = str(answer["choices"][0].get("finish_reason"))
    if picture is None:
        return f"{len(_words_in(answer))} characters, {finish}"
    return f"{picture.pixels}, {picture.media_type or 'unknown type'}, {_image_tokens(answer)} tokens, {finish}"


def _serving(model: Model, stood_in: str | None) -> Claim:
    got = f"an answer of {stood_in} in its place" if stood_in else "its own answer"
    return Claim("service", _service(model), got, bool(stood_in) == is_gone(model))


def _service(model: Model) -> str:
    if is_gone(model):
        return f"retired on {model.lifecycle.retired}"
    return f"served as {model.wire_name}"


def _finish(answer: dict[str, Any]) -> Claim:
    return Claim("finish reason", "stop", _finish_text(answer), answer["choices"][0].get("finish_reason") == "stop")


def _finish_text(answer: dict[str, Any]) -> str:
    choice = answer["choices"][0]
    reason, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    return f"{reason} ({native})" if native else str(reason)


def _words_in(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"].get("content") or "")


def _shape(check: Check, served_by: Model, picture: SeenPicture) -> Iterator[Claim]:
    came, ratio, limits = picture.dimensions, check.config.aspect_ratio, served_by.images
    if came is None:
        yield Claim("pixels", "a picture that can be measured", "one whose header does not say them", agrees=False)
        return
    if ratio is not None:
        wide, high = map(float, ratio.split(":"))
        off = came.width * high / (came.height * wide) - 1
        got = ratio if abs(off) < 0.0005 else f"{ratio} {off:+.1%}"
        yield Claim("ratio", ratio, got, abs(off) <= _RATIO_TOLERANCE)
    size = check.config.image_size or (limits.default_image_size if limits else "")
    known = limits.dimensions.get(size, {}).get(ratio or "") if limits else None
    if known is not None:
        yield _exact(known, came)


def _exact(known: tuple[int, int], came: Dimensions) -> Claim:
    differs = came.width - known[0], came.height - known[1]
    got = _pixels(came.width, came.height)
    if differs != (0, 0):
        got += f" (differs by {differs[0]:+d} and {differs[1]:+d})"
    return Claim("pixels", _pixels(*known), got, differs == (0, 0))


def _label(picture: SeenPicture) -> Claim:
    claimed = picture.media_type or "a known type"
    return Claim("media type", claimed, picture.label, picture.label == picture.media_type)


def _applied(answer: dict[str, Any], picture: SeenPicture) -> Claim:
    applied = answer["applied"][-1]
    said = applied["dimensions"]
    got = _pixels(said["width"], said["height"]) if said else "unknown pixels"
    return Claim("`applied`", picture.pixels, got, got == picture.pixels)


def _tokens(check: Check, served_by: Model, answer: dict[str, Any]) -> Claim:
    came, limits = _image_tokens(answer), served_by.images
    size = check.config.image_size or (limits.default_image_size if limits else "")
    known = limits.tokens_per_image.get(size) if limits else None
    if limits is None or not known:
        return Claim("tokens per picture", "nothing", str(came), agrees=True)
    if answer.get("cost_status") != "exact":
        return Claim("tokens per picture", str(known), "no count by the provider", agrees=False)
    # A model that makes drafts is billed for each.
    pictures, rest = divmod(came, known)
    agrees = rest == 0 and 1 <= pictures <= limits.max_images_per_call
    return Claim("tokens per picture", str(known), f"{known} × {pictures}" if agrees else str(came), agrees)


def _image_tokens(answer: dict[str, Any]) -> int:
    return int(answer["usage"]["completion_tokens_details"]["image_tokens"])


def _cost(check: Check, answer: dict[str, Any]) -> Claim:
    status, cost = answer.get("cost_status"), cost_of_answer(answer)
    bound = "an exact one" if check.most is None else f"an exact one of at most {dollars(check.most)}"
    agrees = status == "exact" and cost is not None and (check.most is None or cost <= check.most)
    got = cost_text(answer) if status != "exact" or cost is None else dollars(cost)
    return Claim("cost", bound, got, agrees)


def cost_of_answer(answer: dict[str, Any]) -> Decimal | None:
    """US dollars as the gateway told them, or `None`."""
    cost = answer.get("cost")
    return None if cost is None else Decimal(str(cost))


def _pixels(width: int, height: int) -> str:
    return f"{width}×{height}"
