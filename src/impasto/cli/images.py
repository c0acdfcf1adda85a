"""`impasto images`: what was made, and from what.

Rule: a running server and the database itself are shown alike.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import click
import msgspec
from starlette.datastructures import QueryParams

from impasto.api.image_list import list_body, parse_question
from impasto.api.lineage_wire import picture_body, with_children
from impasto.cli.answers import cost_text
from impasto.cli.books import read_books
from impasto.cli.options import config_option, json_option
from impasto.cli.table import print_table
from impasto.config import Settings, load_settings
from impasto.domain.errors import Failure
from impasto.domain.keys import VirtualKey
from impasto.storage.lineage import page_of, picture_of

PROMPT_CHARACTERS = 60
"""How much of a prompt the list shows."""

Facts = Mapping[str, Any]
_OPERATOR = VirtualKey("operator", frozenset({"manage"}))

url_option = click.option(
    "--url", metavar="URL", help="A running gateway to ask (IMPASTO_URL); else the database is read."
)


@click.group(invoke_without_command=True)
@click.option("--query", metavar="WORDS", help="Words of the prompt, or their beginnings.")
@click.option("--model", metavar="ID", help="The model that made them.")
@click.option("--parent", metavar="ID", help="The picture or the upload that they were made from.")
@click.option("--since", metavar="TIME", help="2026-11-01, or 2026-11-01T18:00:00Z.")
@click.option("--until", metavar="TIME", help="Likewise; a day is the last one.")
@click.option("--key", "key_id", metavar="ID", help="The key whose pictures they are. [the operator's]")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--include-gone", is_flag=True, help="Those as well whose bytes are no longer kept.")
@json_option
@url_option
@config_option
@click.pass_context
def command(
    context: click.Context, query: str | None, model: str | None, parent: str | None, since: str | None,
    until: str | None, key_id: str | None, limit: int, include_gone: bool, as_json: bool, url: str | None,
    config: str | None,
) -> None:  # fmt: skip
    """List the pictures that were made, or show how one was made. The newest come first."""
    if context.invoked_subcommand:
        return
    said = {
        "query": query, "model": model, "parent": parent, "since": since, "until": until, "key_id": key_id,
        "limit": str(limit), "include_gone": "true" if include_gone else None,
    }  # fmt: skip
    given = {name: value for name, value in said.items() if value is not None}
    try:
        body = _listed(load_settings(config=config), url, given)
    except Failure as failure:
        raise click.ClickException(failure.message) from failure
    if as_json:
        _echo_json(body)
    elif not body["items"]:
        click.echo("No picture is like that." if len(given) > 1 else "No picture was made yet.")
    else:
        print_table(["id", "made", "model", "prompt"], [_row(item) for item in body["items"]])
        if body["total"] > len(body["items"]):
            click.echo(f"{len(body['items'])} of {body['total']}. More: --limit, --query, --until")


@command.command()
@click.argument("image_id", metavar="ID")
@json_option
@url_option
@config_option
def show(image_id: str, as_json: bool, url: str | None, config: str | None) -> None:
    """Show how the picture ID was made, from what, and what was made from it."""
    body = _shown(load_settings(config=config), url, image_id)
    if as_json:
        _echo_json(body)
        return
    lines = _lines(body)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name:<{width}}  {value}")


def _listed(settings: Settings, url: str | None, said: Mapping[str, str]) -> Facts:
    question = parse_question(QueryParams(said), _OPERATOR)
    if url or settings.environment.get("IMPASTO_URL"):
        return _asked(settings, url, f"/v3/images?{urlencode(said)}")
    total, found = read_books(settings.database_url, partial(page_of, question=question)) or (0, [])
    return _plain(list_body(question, total, found, None))


def _shown(settings: Settings, url: str | None, image_id: str) -> Facts:
    if url or settings.environment.get("IMPASTO_URL"):
        return _asked(settings, url, f"/v3/images/{quote(image_id, safe='')}")
    facts = read_books(settings.database_url, partial(picture_of, image_id=image_id))
    if facts is None:
        raise click.ClickException(f"There is no picture {image_id}. List them: impasto images")
    return _plain(with_children(picture_body(facts, None), facts))


def _asked(settings: Settings, url: str | None, path: str) -> Facts:
    from impasto.cli.gateway import gateway_for

    with gateway_for(url, settings) as gateway:
        return gateway.call("GET", path)


def _plain(body: object) -> Facts:
    """`body` as it would have come from a server."""
    plain: Facts = msgspec.json.decode(msgspec.json.encode(body))
    return plain


def _row(item: Facts) -> tuple[str, ...]:
    prompt = " ".join(_printable(item["prompt"] or "-").split())
    shown = prompt if len(prompt) <= PROMPT_CHARACTERS else f"{prompt[: PROMPT_CHARACTERS - 1]}…"
    made = f"{item['created_at'][:16].replace('T', ' ')}{' (gone)' if item['gone_at'] else ''}"
    return item["id"], made, item["served_by"] or item["model"], shown


def _lines(body: Facts) -> list[tuple[str, str]]:
    size = body["dimensions"]
    config = body["image_config"]["sent"] or body["image_config"]["asked"]
    parents = [f"{parent['kind']} {parent['id'] or parent['sha256'] or ''}".rstrip() for parent in body["parents"]]
    several = f" for {body['pictures_in_call']} pictures" if body["pictures_in_call"] > 1 else ""
    return [
        ("id", body["id"]),
        ("made", f"{body['created_at']} by {body['served_by'] or body['model']}"),
        ("prompt", f"{_printable(body['prompt'] or '-')}{' […]' if body['prompt_is_cut'] else ''}"),
        ("made from", ", ".join(parents) or "-"),
        ("image config", ", ".join(f"{name} {value}" for name, value in config.items()) or "-"),
        ("picture", f"{body['media_type']}, {body['bytes']:,} bytes" + _size_text(size)),
        ("cost", cost_text(body) + several),
        ("key", f"{body['key']['name'] or '-'} ({body['key']['id']})"),
        ("session", body["session_id"] or "-"),
        ("user", body["user"] or "-"),
        ("tags", ", ".join(f"{name}={value}" for name, value in body["tags"].items()) or "-"),
        ("generation", body["generation_id"]),
        ("sha256", body["sha256"]),
        ("children", ", ".join(body["child_ids"]) or "-"),
        ("bytes", f"let go {body['gone_at']}" if body["gone_at"] else body["content_path"]),
    ]


def _size_text(size: Facts | None) -> str:
    return f", {size['width']}×{size['height']}" if size else ""


def _printable(text: str) -> str:
    """What somebody asked for is shown; it does not drive the terminal."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def _echo_json(body: Facts) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())
