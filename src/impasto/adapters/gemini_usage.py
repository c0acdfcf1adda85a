"""Google's Gemini, native wire format: usageMetadata as our five kinds of tokens.

Rule: every token is counted once, and what is no count is no usage.
"""

from dataclasses import dataclass, field, replace
from typing import TypeGuard

from impasto.adapters.json_scan import Path, Scalar
from impasto.domain.usage import Usage

_MAX_TOKENS = 2**31 - 1


@dataclass(slots=True)
class Counts:
    """usageMetadata as it came: totals by name, and what each detail holds by its list and index."""

    totals: dict[str, Scalar] = field(default_factory=dict)
    details: dict[tuple[str, int], dict[str, Scalar]] = field(default_factory=dict)

    def read(self, path: Path, value: Scalar) -> None:
        """Take one value, `path` beginning with `usageMetadata`."""
        match path:
            case (_, str(name)) if value is not None:
                self.totals[name] = value
            case (_, str(name), int(index), str(key)):
                self.details.setdefault((name, index), {})[key] = value


_TOTALS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
)


def usage_of(counts: Counts) -> Usage | None:
    """Our five kinds from Google's counts; `None` where there are none or one is no count.

    On success the total is prompt + candidates + thoughts, and the candidates exceed what their
    details say: the rest is billed as text. On a refusal the candidates repeat the thoughts, which
    shows in a total that holds them once. Counts that disagree otherwise are marked as estimated,
    and what only the total knows of is counted as output.
    """
    totals = [counts.totals.get(name, 0) for name in _TOTALS]
    image_input, image_output = (_image_tokens(counts, f"{name}TokensDetails") for name in ("prompt", "candidates"))
    numbers = [value for value in (*totals, image_input, image_output) if _is_count(value)]
    if len(numbers) < len(totals) + 2 or not any(name in counts.totals for name in _TOTALS):
        return None
    prompt, tools, cached, candidates, thoughts, total, image_input, image_output = numbers
    if candidates == thoughts and total == prompt + tools + thoughts:
        candidates = 0
    usage = Usage(
        input_text_tokens=max(0, prompt + tools - image_input),
        input_image_tokens=image_input,
        output_text_tokens=max(0, candidates - image_output),
        output_image_tokens=image_output,
        thought_tokens=thoughts,
        cached_tokens=cached,
    )
    if "totalTokenCount" not in counts.totals or usage.total_tokens == total:
        return usage
    unaccounted = max(0, total - usage.total_tokens)
    return replace(usage, output_text_tokens=usage.output_text_tokens + unaccounted, estimated=True)


def _image_tokens(counts: Counts, name: str) -> int | None:
    found = [
        detail.get("tokenCount") or 0
        for (kind, _), detail in counts.details.items()
        if kind == name and detail.get("modality") == "IMAGE"
    ]
    numbers = [value for value in found if _is_count(value)]
    return sum(numbers) if len(numbers) == len(found) else None


def _is_count(value: Scalar) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS
