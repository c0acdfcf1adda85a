"""`impasto verify`: the catalogue against live providers, with the operator's own keys.

Rule: nothing is asked without --live, and never more than --max-cost allows. Whatever was paid for is
in the report, also after Ctrl-C.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from impasto.app import access_of, available_of, first_key_of, load_operators_catalogue
from impasto.catalogue.catalogue import Catalogue
from impasto.cli.gateway import RemoteGateway, own_gateway
from impasto.cli.options import config_option, configure_quiet_logs, data_option, json_option
from impasto.cli.table import print_table, width
from impasto.cli.verify_asking import Ask, Verifier
from impasto.cli.verify_plan import Check, Purse, dollars, plan_of
from impasto.cli.verify_report import Report, Verdict, facts_of, markdown_of, rows_of
from impasto.config import Settings, load_settings
from impasto.domain.errors import listed
from impasto.domain.model import Provider

_SHORTEST_SECRET = 4
_WIDE = 130
"""Columns that a result needs to stand in one line with what came."""


class _Dollars(click.ParamType[Decimal]):
    name = "dollars"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            self.fail(f'"{value}" is no sum of money. It takes US dollars, such as 0.50.', param, ctx)
        return amount


@click.command()
@click.option("--live", is_flag=True, help="Call the providers, and spend money. Without it nothing is asked.")
@click.option(
    "--max-cost",
    type=_Dollars(),
    default="0.50",
    show_default=True,
    metavar="USD",
    help="The most it may cost all in all; what does not fit is skipped.",
)
@click.option("-m", "--model", "models", multiple=True, metavar="NAME", help="This model alone; may be given again.")
@click.option(
    "--report", metavar="FILE", help="Where the report goes, in Markdown (impasto-verify-<date>.md in this folder)."
)
@json_option
@data_option
@config_option
def command(
    live: bool, max_cost: Decimal, models: tuple[str, ...], report: str | None, as_json: bool, data: str | None,
    config: str | None,
) -> None:  # fmt: skip
    """Compare the catalogue with live providers, with your own keys. It costs money.

    It sends the first requests of the documentation, then one of every model whose provider has a key, the cheapest
    first, through a gateway of its own, and compares pixels, media type, tokens, cost and what is retired. The report
    can be posted: it holds no key, no picture, and no prompt but the built-in ones.

    Each request is weighed by the most that it can cost, before it is sent.

    \b
      impasto verify                               # what would be asked, and the most it can cost; asks nothing
      impasto verify --live --max-cost 0.50
      impasto verify --live -m google/gemini-3.1-flash-image

    Exits 0 if all that was asked is as claimed, 1 if something differs or failed.
    """
    settings = load_settings({"data": data}, config=config)
    configure_quiet_logs(settings, "error")
    catalogue = load_operators_catalogue(settings)
    available = available_of(catalogue, access_of(settings, catalogue))
    checks = plan_of(catalogue, available, _ids(models, catalogue, available))
    if not live:
        _show_plan(checks, max_cost, catalogue, as_json=as_json)
        return
    _check_worthwhile(checks, max_cost, catalogue)
    path = _report_path(report)
    verifier = Verifier(catalogue, Purse(max_cost), _hidden(settings, catalogue))
    is_stopped = _run(verifier, checks, settings)
    notes = tuple(_notes(settings, catalogue, checks))
    result = Report(tuple(verifier.outcomes), max_cost, _today(), notes, is_stopped)
    _publish(result, path, as_json=as_json)
    if is_stopped:
        raise KeyboardInterrupt
    if not result.is_good:
        raise SystemExit(1)


# --- what to ask ---


def _ids(names: Iterable[str], catalogue: Catalogue, available: Mapping[str, bool]) -> list[str]:
    """The ids that `names` mean. Raises `click.UsageError` for what cannot be verified."""
    ids = []
    for name in names:
        model = catalogue.find(name)
        if model is None:
            nearest = catalogue.nearest(name)
            advice = f"Did you mean {listed(nearest)}?" if nearest else "impasto models lists them."
            raise click.UsageError(f'There is no model "{name}". {advice}')
        if model.provider.is_local:
            raise click.UsageError(f"{model.id} works in this process: there is no provider to compare it with.")
        if not available[model.provider.id]:
            raise click.UsageError(
                f"No key for {model.provider.name} is set. Set {' or '.join(model.provider.key_env)}."
            )
        ids.append(model.id)
    return ids


def _check_worthwhile(checks: tuple[Check, ...], max_cost: Decimal, catalogue: Catalogue) -> None:
    possible = [check for check in checks if not check.why_not]
    if not possible:
        raise click.UsageError(_nothing_to_ask(checks, catalogue))
    least = min((check.most for check in possible if check.most is not None), default=None)
    if least is None:
        raise click.UsageError("The catalogue has no price for any of these models, so nothing can be kept in bounds.")
    if least > max_cost:
        raise click.UsageError(
            f"--max-cost ${max_cost:f} allows nothing: the cheapest of these requests can cost up to {dollars(least)}."
        )


def _nothing_to_ask(checks: Iterable[Check], catalogue: Catalogue) -> str:
    """Why there is nothing to ask, where there is nothing."""
    variables = [provider.key_env[0] for provider in catalogue.providers.values() if provider.key_env]
    reasons = dict.fromkeys(check.why_not for check in checks)
    return " ".join(reasons) or f"No provider has a key. Set one: {', '.join(variables)}."


def _show_plan(checks: tuple[Check, ...], max_cost: Decimal, catalogue: Catalogue, *, as_json: bool) -> None:
    purse = Purse(max_cost)
    weighed = [(check, _weighed(check, purse)) for check in checks]
    if as_json:
        click.echo(json.dumps(_plan_facts(weighed, purse), indent=2))
        return
    rows = [(check.model.id, check.asked, _most_text(check), "no" if why_not else "yes") for check, why_not in weighed]
    print_table(("model", "asked", "at most", "asks"), rows)
    if all(check.why_not for check in checks):
        click.echo(f"\nThere is nothing to ask. {_nothing_to_ask(checks, catalogue)}")
        return
    for reason in dict.fromkeys(check.why_not for check in checks if check.why_not):
        click.echo(reason)
    count = sum(not why_not for _, why_not in weighed)
    click.echo(f"\n{count} of {len(checks)} requests would be sent. They cost at most {dollars(purse.reserved)}.")
    if count < len(checks):
        every = sum((check.most for check in checks if check.most is not None), Decimal(0))
        click.echo(f"All of them cost at most {dollars(every)}: models that make drafts are weighed with every draft.")
    click.echo(f"Nothing was asked. To spend it: impasto verify --live --max-cost {max_cost:f}")


def _plan_facts(weighed: Iterable[tuple[Check, str]], purse: Purse) -> dict[str, Any]:
    rows = [
        {"check": str(check.kind), "model": check.model.id, "asked": check.asked, "would_run": not why_not,
         "most": None if check.most is None else f"{check.most:f}", "why_not": why_not or None}
        for check, why_not in weighed
    ]  # fmt: skip
    return {"live": False, "max_cost": f"{purse.max_cost:f}", "most": f"{purse.reserved:f}", "checks": rows}


def _most_text(check: Check) -> str:
    return "?" if check.most is None else dollars(check.most)


def _weighed(check: Check, purse: Purse) -> str:
    """Why `check` would not be started, or nothing."""
    why_not = purse.why_not(check)
    if not why_not:
        purse.reserve(check)
    return why_not


def _run(verifier: Verifier, checks: tuple[Check, ...], settings: Settings) -> bool:
    """Ask all of it. Whether Ctrl-C stopped it."""
    try:
        with own_gateway(settings, port=0) as gateway:
            ask = _asking(gateway, settings)
            for number, check in enumerate(checks, start=1):
                click.echo(f"{number}/{len(checks)} {check.model.id}, {check.asked} … ", nl=False, err=True)
                click.echo(verifier.run(check, ask).line, err=True)
    except KeyboardInterrupt:
        click.echo(err=True)
        verifier.stop(checks)
        return True
    return False


def _asking(gateway: RemoteGateway, settings: Settings) -> Ask:
    timeout_seconds = settings.deadline_seconds + 30

    def ask(body: Mapping[str, object]) -> dict[str, Any]:
        return gateway.ask("/v3/chat/completions", body, timeout_seconds=timeout_seconds)

    return ask


# --- what is said about it ---


def _publish(report: Report, path: Path, *, as_json: bool) -> None:
    try:
        path.write_text(markdown_of(report), encoding="utf-8")
    except OSError as error:
        click.echo(markdown_of(report))
        raise click.ClickException(f"{path} could not be written: {error.strerror}. The report is above.") from error
    if as_json:
        click.echo(json.dumps(facts_of(report) | {"report": str(path)}, indent=2))
        return
    columns = (0, 1, 2, 3, 4) if width() >= _WIDE else (0, 1, 3, 4)
    headings = ("model", "asked", "got", "verdict", "cost")
    print_table([headings[at] for at in columns], [[row[at] for at in columns] for row in rows_of(report)])
    for outcome in report.outcomes:
        if outcome.verdict in (Verdict.DIFFERS, Verdict.FAILED):
            click.echo(f"{outcome.verdict}: {outcome.check.model.id}, {outcome.check.asked}: {outcome.sentence}")
    click.echo(f"\n{report.summary} {report.spent_text}\nThe report: {path}")


def _report_path(asked: str | None) -> Path:
    """Where the report goes; one of an earlier run today is not written over. Raises `click.UsageError`."""
    if asked is None:
        stem = f"impasto-verify-{_today().isoformat()}"
        names = (f"{stem}.md", *(f"{stem}-{number}.md" for number in range(2, 1000)))
        return next(path for path in map(Path, names) if not path.exists())
    path = Path(asked)
    if path.is_dir():
        raise click.UsageError(f"--report {path} is a folder. Name a file in it, like {path / 'verify.md'}.")
    if not path.parent.is_dir():
        raise click.UsageError(
            f"--report {path}: there is no folder {path.parent}. Make it first: mkdir -p {path.parent}."
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.UsageError(f"--report {path} cannot be written by this user. Name another place.")
    return path


def _hidden(settings: Settings, catalogue: Catalogue) -> tuple[str, ...]:
    """What no report may hold: keys, and the operator's own addresses. The longest first, so that no part is left."""
    hidden = {settings.api_key, first_key_of(settings)}
    for provider, access in access_of(settings, catalogue).items():
        hidden.add(access.key)
        if not _is_at_home(catalogue.providers[provider], access.base_url):
            hidden |= {access.base_url, urlsplit(access.base_url).netloc}
    return tuple(sorted((one for one in hidden if one and len(one) >= _SHORTEST_SECRET), key=len, reverse=True))


def _is_at_home(provider: Provider, base_url: str) -> bool:
    return base_url == provider.base_url.rstrip("/")


def _notes(settings: Settings, catalogue: Catalogue, checks: Iterable[Check]) -> Iterator[str]:
    """Who was asked, and whether it was the provider itself; whose the catalogue is."""
    access = access_of(settings, catalogue)
    for provider in {check.model.provider.id: check.model.provider for check in checks}.values():
        if _is_at_home(provider, access[provider.id].base_url):
            yield f"{provider.name}, at its own address"
        else:
            yield f"{provider.name}, at another address than its own ({provider.base_url_env}): not the live service"
    if settings.catalogue_tables:
        yield "The catalogue holds entries of the operator's own."


def _today() -> date:
    return date.today()  # noqa: DTZ011 - the operator's day
