"""Speaking to a gateway, or to what is taken for one."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import click
import pytest

from impasto.cli.gateway import RemoteGateway, gateway_for
from impasto.config import load_settings

KEY = "a_key_of_more_than_twenty_characters"
JSON = "application/json"


@contextmanager
def server_that_says(status: int, body: str, **headers: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Answers everything alike; gives its address, and the headers of what it was asked."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            at = {"method": self.command, "path": self.path}
            asked.append(at | {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            self.do_POST()

        def do_DELETE(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def said_by(status: int, body: str, **headers: str) -> tuple[str, str]:
    """What a person is told, and the server's address."""
    with server_that_says(status, body, **headers) as (url, _), pytest.raises(click.ClickException) as caught:
        RemoteGateway(url, KEY).ask("/v3/chat/completions", {}, timeout_seconds=5)
    return caught.value.message, url


def refusal(message: str) -> str:
    return json.dumps({"error": {"message": message}})


def test_an_answer_is_returned_and_the_key_is_sent() -> None:
    with server_that_says(200, '{"a": 1}') as (url, asked):
        assert RemoteGateway(url, KEY).ask("/x", {"b": 2}, timeout_seconds=5) == {"a": 1}
        assert RemoteGateway(url, KEY).get("/y") == {"a": 1}
    assert asked[0]["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in asked[1]


def test_the_gateways_own_sentence_is_shown() -> None:
    assert said_by(400, refusal("This is not possible."), x_request_id="r1")[0] == "This is not possible."


def test_what_broke_is_shown_with_the_id_to_look_for() -> None:
    assert said_by(502, refusal("Broken."), x_request_id="r1")[0] == "Broken. (request r1)"
    assert said_by(500, refusal("Look for r1."), x_request_id="r1")[0] == "Look for r1."
    assert said_by(500, refusal("Broken."))[0] == "Broken."


def test_a_wrong_key_is_told_with_where_it_comes_from() -> None:
    assert said_by(401, refusal("Wrong key."))[0] == (
        "Wrong key. The command line sends IMPASTO_API_KEY, or first-key of the data folder."
    )


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (200, "<html>", "something else than JSON"),
        (200, "", "something else than JSON"),
        (200, "[]", "something else than an object"),
        (404, "<html>", "404 without a reason"),
        (500, '{"error": "x"}', "500 without a reason"),
        (500, "[]", "500 without a reason"),
    ],
)
def test_what_is_no_gateway_is_told(status: int, body: str, what: str) -> None:
    said, url = said_by(status, body)
    assert said == f"{url} answers with {what}. Is an impasto there? Its address has no path behind the port."


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with server_that_says(200, "{}") as (elsewhere, asked):
        said, url = said_by(307, "", Location=f"{elsewhere}/x")
        assert said == f"{url} sends its callers on to {elsewhere}/x. Set that address instead."
        assert asked == []


def test_what_does_not_answer_is_told() -> None:
    with pytest.raises(
        click.ClickException, match=r"does not answer \(Connection refused\)\. Start it with impasto serve"
    ):
        RemoteGateway("http://127.0.0.1:1", KEY).get("/")


def test_silence_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(click.ClickException, match=r"sent nothing for 0\.1"),
    ):
        RemoteGateway(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY).get("/", timeout_seconds=0.1)


def test_the_address_is_the_flags_then_the_environments() -> None:
    settings = load_settings(environment={"IMPASTO_URL": "http://127.0.0.1:1/", "IMPASTO_API_KEY": KEY})
    with gateway_for(None, settings) as gateway:
        assert gateway == RemoteGateway("http://127.0.0.1:1", KEY)
    with gateway_for("http://[::1]:2", settings) as gateway:
        assert gateway.url == "http://[::1]:2"


def test_a_gateway_elsewhere_wants_a_key() -> None:
    settings = load_settings(environment={})
    with (
        pytest.raises(click.ClickException, match=r"No key for http://x is known\. Set"),
        gateway_for("http://x", settings),
    ):
        pass


@pytest.mark.parametrize("url", ["localhost:8080", "http://", "ftp://x", "http://x:99999", "http://[::1", "x"])
def test_what_is_no_address_is_told(url: str) -> None:
    settings = load_settings(environment={"IMPASTO_API_KEY": KEY})
    with pytest.raises(click.ClickException) as caught, gateway_for(url, settings):
        pass
    assert caught.value.message == f'--url or IMPASTO_URL: "{url}" is no address. It takes http(s)://host[:port].'
