"""What the clients read, as the tables of docs/clients.md, and whether it is as much as they promise.

Rule: a picture counts when its bytes are those that the provider sent. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

RANKS = {"no": 0, "": 0, "words": 1, "some": 2, "first": 2, "last": 3, "picture": 4, "yes": 4}
"""How much of an answer was read. A promise is broken by less."""

Tables = dict[str, dict[str, dict[str, str]]]
"""Cells by title, client and column."""


def tables_of(lines: Sequence[Any], expected: dict[str, list[str]], titles: dict[str, str]) -> tuple[Tables, list[str]]:
    """What was read, as tables; and where a recorded answer was read less well than a simulated one."""
    tables: Tables = {"Versions and cost": {}}
    for title in dict.fromkeys(titles.values()):
        tables |= {f"{title}, whole": {}, f"{title}, streamed": {}}
    costs: dict[str, float | None] = {}
    worse: list[str] = []
    for line in lines:
        client, mode, way = line["client"], line["mode"], line["way"]
        cell = _cell(line, expected[line["task"]])
        row = tables.setdefault(f"{titles[line['task']]}, {mode}", {}).setdefault(client, {})
        if RANKS[_word(cell)] < RANKS[_word(row.setdefault(way, cell))]:
            worse.append(f"{client}, {line['task']}, {way}: {cell}, not {row[way]}")
        if line["task"] == "one" and way == "images":
            costs.setdefault(mode, line.get("cost"))  # the first client reads the body itself
            shown = tables["Versions and cost"].setdefault(client, {"version": line["version"]})
            shown[f"cost, {mode}"] = "yes" if line.get("cost") == costs[mode] else "no"
    return tables, worse


def _cell(line: Any, expected: list[str]) -> str:
    choices = line.get("choices", [])
    cells = {_verdict(choice, expected) for choice in choices}
    is_all = len(cells) == 1 and len(choices) == (2 if line["task"] == "n" else 1)
    return cells.pop() if is_all else "some" if cells else "no"


def _verdict(choice: Any, expected: list[str]) -> str:
    names = {tuple(expected): "picture", (expected[-1],): "last", (expected[0],): "first", (): ""}
    if len(expected) == 1:
        names[expected[0],] = "picture"
    word = names.get(tuple(choice["pictures"]), "some")
    if word:
        return f"{word}: {choice['place']}"
    return "words" if re.search(r"Here|Step|picture", choice["words"]) else "no"


def _word(cell: str) -> str:
    return cell.partition(":")[0]


def markdown_of(tables: Tables) -> str:
    """The tables as docs/clients.md has them."""
    return "".join(f"\n### {title}\n\n{_rows(table)}" for title, table in tables.items() if table)


def _rows(table: dict[str, dict[str, str]]) -> str:
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    rows = [["client", *columns], ["---"] * (1 + len(columns))]
    rows += [[client, *(row.get(column, "") for column in columns)] for client, row in table.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def tables_in(page: str) -> Tables:
    """The tables of a page in Markdown, by their headings."""
    tables: Tables = {}
    for part in re.split(r"^#+ ", page, flags=re.MULTILINE):
        title, _, rest = part.partition("\n")
        rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rest.splitlines() if row[:1] == "|"]
        if rows:
            head, _, *body = rows
            tables[title] = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in body}
    return tables


def broken_promises(promised: Tables, found: Tables) -> Iterator[str]:
    """Cells that hold less than was promised."""
    for title, table in found.items():
        for client, row in table.items():
            for column, cell in row.items():
                promise = promised.get(title, {}).get(client, {}).get(column, "")
                if column != "version" and RANKS[_word(cell)] < RANKS[_word(promise)]:
                    yield f"{title}, {client}, {column}: {cell}, not {promise}"
