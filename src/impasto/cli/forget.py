"""`impasto forget`: deletion on request, through a running gateway or in the database and the store themselves.

Rule: it asks before it deletes, unless it was told that it may; what it deletes is gone for good.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import click

from impasto.api.deletion import deleted_body
from impasto.app import keeping_of
from impasto.cli.gateway import gateway_for
from impasto.cli.key_desk import desk_for, sentence_of
from impasto.cli.keys import find_key, url_option
from impasto.cli.options import config_option, data_option, json_option
from impasto.config import Settings, load_settings
from impasto.domain.deletion import Deleted
from impasto.domain.errors import Failure
from impasto.storage.deletion import SqlDeletion
from impasto.storage.secret import SecretError

DELETING_SECONDS = 3600.0
"""How long a gateway may be silent: all that a busy key left is deleted in one request."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go, in words; how a gateway is asked for it; and how it is done without one."""

    what: str
    path: str
    delete: Callable[[SqlDeletion], Awaitable[Deleted]]


@click.command()
@click.option("--image", metavar="ID", help="A picture, and the answer that it was in.")
@click.option("--generation", metavar="ID", help="What is kept of one request: its words, its answer, its pictures.")
@click.option("--key", metavar="KEY", help="All that was made and uploaded with a key; by name, id, or its beginning.")
@click.option("--user", metavar="NAME", help="All that an end user left, of one key or of all.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@url_option
@data_option
@config_option
def command(
    image: str | None, generation: str | None, key: str | None, user: str | None, yes: bool, as_json: bool,
    url: str | None, data: str | None, config: str | None,
) -> None:  # fmt: skip
    """Delete for good what is kept: pictures, prompts, answers, uploads.

    What was spent stays in the ledger, with its tags and without content. Where a running gateway is named, it is
    asked; else the database and the store are written to, also while a server runs on them.

    \b
      impasto forget --image img_…
      impasto forget --user anna@example.com
      impasto forget --key studio --user anna@example.com --yes
    """
    settings = load_settings({"data": data}, config=config)
    wish = _wish(image, generation, _key_id(key, url, settings), user)
    if not yes:
        click.confirm(f"{wish.what} will be deleted for good. Go on?", abort=True, err=True)
    taken = _asked(wish, url, settings) if url or settings.environment.get("IMPASTO_URL") else _done(wish, settings)
    if as_json:
        click.echo(json.dumps(taken, indent=2))
        return
    counts = taken["deleted"]
    files = f"; {_count(counts['blobs'], 'file')} with {counts['bytes'] / 1e6:.1f} MB" if "blobs" in counts else ""
    click.echo(
        f"Deleted: {_count(counts['images'], 'picture')}, what was kept of {_count(counts['generations'], 'request')}, "
        f"{_count(counts['uploads'], 'upload')}{files}."
    )
    if taken["still_running"]:
        click.echo(f"{_count(taken['still_running'], 'request')} still running: once ended, ask again.", err=True)


def _wish(image: str | None, generation: str | None, key_id: str | None, user: str | None) -> Wish:
    """Raises `click.UsageError` where what is to go is said twice, or not at all."""
    match image, generation, key_id, user:
        case str(), None, None, None:
            path = f"/v3/images/{quote(image, safe='')}"
            return Wish(f"The picture {image}", path, lambda deletion: deletion.image(image, None))
        case None, str(), None, None:
            path = f"/v3/generations/{quote(generation, safe='')}"
            return Wish(f"What is kept of {generation}", path, lambda deletion: deletion.generation(generation, None))
        case (None, None, str(), _) | (None, None, _, str()):
            said = {name: value for name, value in (("key_id", key_id), ("user", user)) if value is not None}
            path = f"/v3/manage/content?{urlencode(said)}"
            return Wish(_all_of(key_id, user), path, lambda deletion: deletion.content(key_id, user))
    raise click.UsageError("Say what to delete, one thing: --image, --generation, or --key and --user, either or both.")


def _all_of(key_id: str | None, user: str | None) -> str:
    if user is None:
        return f"All that was made and uploaded with the key {key_id}"
    return f'All that the end user "{user}" left with {"any key" if key_id is None else f"the key {key_id}"}'


def _key_id(key: str | None, url: str | None, settings: Settings) -> str | None:
    if key is None:
        return None
    with desk_for(url, settings) as desk:
        return str(find_key(desk, key)["id"])


def _asked(wish: Wish, url: str | None, settings: Settings) -> dict[str, Any]:
    with gateway_for(url, settings) as gateway:
        return gateway.call("DELETE", wish.path, timeout_seconds=DELETING_SECONDS)


def _done(wish: Wish, settings: Settings) -> dict[str, Any]:
    async def delete() -> Deleted:
        keeping = keeping_of(settings)
        try:
            await keeping.caretaker.prepare_database()
            return await wish.delete(keeping.deletion)
        finally:
            await keeping.close()

    try:
        return deleted_body(asyncio.run(delete()))
    except Failure as failure:
        raise click.ClickException(sentence_of(failure)) from failure
    except SecretError as error:
        raise click.ClickException(str(error)) from error


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
