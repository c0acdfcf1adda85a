"""What an answer of a gateway holds.

Rule: an answer without a picture is told in its own words, and with what it cost.
"""

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import click


def picture_in(answer: dict[str, Any]) -> bytes:
    """The picture of an answer in the shape `content`. Raises `click.ClickException` where there is none."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        refusal, content = message.get("refusal"), message.get("content")
    except (LookupError, TypeError, AttributeError) as error:
        raise click.ClickException("The answer is no chat completion. Is an impasto there?") from error
    if refusal:
        raise click.ClickException(f"Refused: {refusal} ({cost_text(answer)})")
    if isinstance(content, str) and content.startswith("data:image/"):
        return base64.b64decode(content.partition(",")[2])
    if content:
        raise click.ClickException(f"The model answered in words, {cost_text(answer)}: {content}")
    reason = choice.get("native_finish_reason") or choice.get("finish_reason")
    raise click.ClickException(f"The answer holds no picture and no words ({reason}, {cost_text(answer)}).")


def cost_text(answer: Mapping[str, Any]) -> str:
    """`$0.0686`, `free`, or that it is unknown."""
    cost = answer.get("cost")
    if cost is None:
        return "cost unknown"
    if cost == 0:
        return "free"
    if cost < 0.0001:
        return "under $0.0001"
    about = "about " if answer.get("cost_status") == "estimated" else ""
    return f"{about}${Decimal(str(cost)):.4f}"
