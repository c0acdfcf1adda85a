"""Log lines: one JSON object each, with nothing in it that a caller sent."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from impasto.logs import JsonLines, configure_logs, is_news


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, uvicorns, access = (
        logging.getLogger(),
        logging.getLogger("uvicorn.error"),
        logging.getLogger("uvicorn.access"),
    )
    before = list(root.handlers), root.level, uvicorns.level, access.disabled
    root.handlers = []
    yield
    root.handlers, root.level, uvicorns.level, access.disabled = before


def record(message: str = "event", error: BaseException | None = None, **facts: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("impasto.x", logging.INFO, __file__, 1, message, None, info)
    made.facts = facts
    return made


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_line_holds_time_level_event_and_facts() -> None:
    line = json.loads(JsonLines().format(record("request", status=200, cost=None)))
    assert line["time"].endswith("+00:00")
    assert {name: line[name] for name in ("level", "logger", "event", "status", "cost")} == {
        "level": "info", "logger": "impasto.x", "event": "request", "status": 200, "cost": None,
    }  # fmt: skip


def test_an_exception_is_one_line_of_type_and_places_without_its_message() -> None:
    text = JsonLines().format(record("broken\n", raised(ValueError("a prompt that nobody may read"))))
    line = json.loads(text)
    assert "\n" not in text
    assert "prompt" not in text
    assert line["event"] == "broken"
    assert line["error"] == "ValueError"
    assert line["places"][-1].endswith(" raised")


def test_what_json_cannot_say_is_said_as_text() -> None:
    assert json.loads(JsonLines().format(record(thing=ValueError)))["thing"] == "<class 'ValueError'>"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ConnectionResetError()])
def test_requests_that_were_cut_on_purpose_are_no_news(error: BaseException) -> None:
    assert not is_news(record("Exception in ASGI application", raised(error)))
    assert is_news(record("Exception in ASGI application", raised(ValueError())))
    assert is_news(record())


@pytest.mark.parametrize(
    ("level", "lines"), [("info", ["ours", "theirs, a warning"]), ("warning", ["theirs, a warning"])]
)
def test_the_servers_own_steps_are_quiet(level: str, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure_logs(level)
    logging.getLogger("impasto.access").info("ours")
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    logging.getLogger("uvicorn.error").warning("theirs, a warning")
    logging.getLogger("uvicorn.access").warning("GET /?secret=1")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == lines


def test_debug_tells_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure_logs("debug")
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    assert "Waiting" in written.getvalue()
