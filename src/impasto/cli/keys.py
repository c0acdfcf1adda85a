"""`impasto keys`: virtual keys, made, shown, rotated and revoked.

Rule: a secret is printed once and stands alone on standard output; what is said about it goes to
standard error.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from impasto.api.money import decimal_text
from impasto.api.shapes import DELIVERIES, SHAPES
from impasto.cli.key_desk import Facts, KeyDesk, desk_for, every_key
from impasto.cli.options import config_option, data_option, json_option
from impasto.cli.table import print_table
from impasto.config import load_settings
from impasto.domain.budget import PERIODS
from impasto.domain.keys import OPERATOR_ID, SCOPES
from impasto.domain.money import dollars_of, nano_of
from impasto.domain.retention import Keeps

SHORT_ID_LENGTH = 12
"""Characters of an id that the list shows, and that are enough to name a key."""

_KEEPS = {Keeps.ALL: "everything", Keeps.PICTURES: "pictures, no prompts", Keeps.NONE: "nothing"}
"""What is kept of a key's requests at most."""

_RETENTIONS = tuple(each.value for each in Keeps)

url_option = click.option(
    "--url", metavar="URL", help="A running gateway (IMPASTO_URL); else the database of the settings is used."
)


@click.group()
def command() -> None:
    """Make, list, rotate and revoke virtual keys, with their budgets and limits.

    A key is for one caller: an application, a person, a test. Its secret is shown once, when it is made. Where a
    running gateway is named, it is asked with IMPASTO_API_KEY or first-key; else the database is written to, also
    while a server runs on it. Changes hold at once.

    \b
      KEY=$(impasto keys create studio --budget 25 --period monthly)
      impasto keys create ci --sandbox
      impasto keys list
      impasto keys rotate studio
    """


@command.command("create")
@click.argument("name")
@click.option("--sandbox", is_flag=True, help="Answered without a provider, with a small picture, for nothing.")
@click.option("--budget", metavar="USD", help="The most it may spend, in each period; without one, no bound.")
@click.option("--period", type=click.Choice(PERIODS), help="How often the budget begins anew, in UTC. [none]")
@click.option("--rpm", type=int, metavar="N", help="Requests per minute.")
@click.option("--concurrent", type=int, metavar="N", help="Requests at once.")
@click.option(
    "--model", "models", multiple=True, metavar="ID", help="A model it may ask for; may be given again. [all]"
)
@click.option("--image-output", type=click.Choice(SHAPES), help="The shape of its answers, where a request says none.")
@click.option("--image-delivery", type=click.Choice(DELIVERIES), help="Pictures inline or by link, likewise.")
@click.option(
    "--retention",
    type=click.Choice([each.value for each in Keeps]),
    help="The most that is kept of its requests. [all]",
)
@click.option("--expires", metavar="TIME", help="When it ends: 2027-01-31 or 2027-01-31T18:00:00Z.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES),
    help="What it may do; may be given again. [generate and read]",
)  # fmt: skip
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag on all its requests; may be given again.")
@click.option("--account", metavar="ID", help="An account that is there: its keys share one budget. [one of its own]")
@json_option
@url_option
@data_option
@config_option
def create(
    name: str, sandbox: bool, budget: str | None, period: str | None, rpm: int | None, concurrent: int | None,
    models: Sequence[str], image_output: str | None, image_delivery: str | None, retention: str | None,
    expires: str | None, scopes: Sequence[str], tags: Sequence[str], account: str | None, as_json: bool,
    url: str | None, data: str | None, config: str | None,
) -> None:  # fmt: skip
    """Make a key called NAME and print its secret, once."""
    said: dict[str, object] = {
        "name": name, "sandbox": sandbox or None, "budget": budget, "period": period, "rpm": rpm,
        "concurrent": concurrent, "models": list(models) or None, "image_output": image_output,
        "image_delivery": image_delivery, "retention": retention, "expires_at": expires, "scopes": list(scopes) or None,
        "default_tags": _tags(tags), "account_id": account,
    }  # fmt: skip
    fields = {field: value for field, value in said.items() if value is not None}
    with desk_for(url, load_settings({"data": data}, config=config)) as desk:
        made = desk.create(fields)
    _show_secret(made, "was made", as_json=as_json)


@command.command("list")
@json_option
@url_option
@data_option
@config_option
def list_(as_json: bool, url: str | None, data: str | None, config: str | None) -> None:
    """List all keys: budget, what was spent of it in the running period, limits, state."""
    with desk_for(url, load_settings({"data": data}, config=config)) as desk:
        keys = every_key(desk)
    if as_json:
        click.echo(json.dumps(keys, indent=2))
    else:
        print_table(("id", "name", "secret", "budget", "spent", "limits", "state"), [_row(key) for key in keys])


@command.command("show")
@click.argument("key")
@json_option
@url_option
@data_option
@config_option
def show(key: str, as_json: bool, url: str | None, data: str | None, config: str | None) -> None:
    """Show one key, by its id, the beginning of one as the list shows it, or its name."""
    with desk_for(url, load_settings({"data": data}, config=config)) as desk:
        found = find_key(desk, key)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in _lines(found):
        click.echo(f"{name:<14}{value}")


@command.command("rotate")
@click.argument("key")
@json_option
@url_option
@data_option
@config_option
def rotate(key: str, as_json: bool, url: str | None, data: str | None, config: str | None) -> None:
    """Give a key another secret and print it, once; the old one is refused from here on."""
    with desk_for(url, load_settings({"data": data}, config=config)) as desk:
        made = desk.rotate(find_key(desk, key)["id"])
    _show_secret(made, "has another secret, and the old one is refused", as_json=as_json)


@command.command("revoke")
@click.argument("key")
@json_option
@url_option
@data_option
@config_option
def revoke(key: str, as_json: bool, url: str | None, data: str | None, config: str | None) -> None:
    """End a key for good; it is refused from here on."""
    with desk_for(url, load_settings({"data": data}, config=config)) as desk:
        revoked = desk.revoke(find_key(desk, key)["id"])
    if as_json:
        click.echo(json.dumps(revoked, indent=2))
    else:
        click.echo(f'The key "{revoked["name"]}" ({revoked["id"]}) is revoked.')


def _show_secret(made: Facts, what: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(made, indent=2))
        return
    click.echo(f'The key "{made["name"]}" ({made["id"]}) {what}. Its secret is shown this once:', err=True)
    click.echo(made["key"])


def _tags(pairs: Sequence[str]) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.ClickException(f'--tag "{pair}": it takes a name and a value, as client=acme.')
        if name in tags:
            raise click.ClickException(f'--tag "{pair}": {name} is said twice. Give each tag once.')
        tags[name] = value
    return tags or None


def find_key(desk: KeyDesk, wanted: str) -> Facts:
    """The key with this id or the beginning of one, or the one living key of this name.

    Raises `click.ClickException`.
    """
    keys = every_key(desk)
    by_id = [key for key in keys if key["id"] == wanted]
    if len(wanted) >= SHORT_ID_LENGTH:
        by_id = by_id or [key for key in keys if key["id"].startswith(wanted)]
    named = by_id or [key for key in keys if key["name"] == wanted and not key["revoked"]]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(key["id"] for key in named)
        raise click.ClickException(f'{len(named)} keys are called "{wanted}". Name one by its id: {ids}.')
    raise click.ClickException(f'There is no key "{wanted}". See: impasto keys list.')


def _row(key: Facts) -> tuple[str, ...]:
    masked = key["masked"]
    secret = masked[masked.index("…") :] if masked else "(a setting)" if key["id"] == OPERATOR_ID else "-"
    limits = [_limits(key)] if _limits(key) != "-" else []
    if _retention(key) is not Keeps.ALL:
        limits.append(f"keeps {_KEEPS[_retention(key)]}")
    shown = ", ".join(limits) or "-"
    return key["id"][:SHORT_ID_LENGTH], key["name"], secret, _budget(key), _spent(key), shown, _state(key)


def _retention(key: Facts) -> Keeps:
    return Keeps(key.get("retention") or Keeps.ALL)  # an older gateway says nothing of it


def _lines(key: Facts) -> list[tuple[str, str]]:
    period = key["current_period"]
    lines = [
        ("id", key["id"]), ("name", key["name"]), ("secret", key["masked"] or "-"), ("state", _state(key)),
        ("scopes", ", ".join(key["scopes"]) or "none"), ("account", key["account_id"]), ("budget", _budget(key)),
        ("spent", _spent(key)), ("held", _dollars(period["held"])), ("unknown", _dollars(period["unknown"])),
        ("left", "-" if period["left"] is None else _dollars(period["left"])),
        ("period ends", period["ends_at"] or "-"),
        ("limits", _limits(key)), ("models", "all" if key["models"] is None else ", ".join(key["models"]) or "none"),
        ("image output", key["image_output"] or "-"), ("delivery", key["image_delivery"] or "-"),
        ("keeps", _KEEPS[_retention(key)]),
        ("tags", ", ".join(f"{name}={value}" for name, value in key["default_tags"].items()) or "-"),
        ("made", key["created_at"]),
    ]  # fmt: skip
    return [(name, str(value)) for name, value in lines]


def _budget(key: Facts) -> str:
    if key["budget"] is None:
        return "no bound"
    return _dollars(key["budget"]) + ("" if key["period"] == "none" else f" {key['period']}")


def _spent(key: Facts) -> str:
    return _dollars(key["current_period"]["spent"])


def _dollars(value: Any) -> str:
    # JSON's numbers came as floats; the shortest text of one is the number that was sent, up to 15 digits.
    return "$" + decimal_text(dollars_of(nano_of(Decimal(str(value)))))


def _limits(key: Facts) -> str:
    pairs = ((key["rpm"], "a minute"), (key["concurrent"], "at once"))
    return ", ".join(f"{number} {what}" for number, what in pairs if number is not None) or "-"


def _state(key: Facts) -> str:
    if key["revoked"]:
        return f"revoked {key['revoked_at'][:10]}"
    living = "sandbox" if key["sandbox"] else "living"
    return f"{living}, until {key['expires_at'][:16].replace('T', ' ')} UTC" if key["expires_at"] else living
