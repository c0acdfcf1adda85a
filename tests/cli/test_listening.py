"""Sockets to listen on: bound before anything is said, and refused in sentences."""

import socket
from collections.abc import Iterator

import click
import pytest

from impasto.cli.listening import address_of, listen_nearby, listen_on


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_free_port_is_found_and_listened_on() -> None:
    [listening] = listen_on("127.0.0.1", 0)
    with listening, socket.create_connection(listening.getsockname()[:2], timeout=5):
        assert listening.getsockname()[1] > 0


def test_localhost_is_one_port_on_every_address_of_it() -> None:
    sockets = listen_on("localhost", 0)
    assert len({listening.getsockname()[1] for listening in sockets}) == 1
    for listening in sockets:
        listening.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_is_listened_on() -> None:
    [listening] = listen_on("::1", 0)
    with listening:
        assert listening.family is socket.AF_INET6


def test_a_port_that_is_taken_is_said(taken: int) -> None:
    with pytest.raises(click.ClickException) as caught:
        listen_on("127.0.0.1", taken)
    assert caught.value.message.startswith(f"http://127.0.0.1:{taken} is taken: another program listens there.")
    assert caught.value.message.endswith("choose another port with --port.")


@pytest.mark.parametrize("host", ["203.0.113.7", "2001:db8::7"])
def test_an_address_of_another_machine_is_said(host: str) -> None:
    with pytest.raises(click.ClickException, match=f"--host: {host} is no address of this machine"):
        listen_on(host, 0)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70])
def test_a_name_that_nobody_knows_is_said(host: str) -> None:
    with pytest.raises(click.ClickException, match="is no address that is known here"):
        listen_on(host, 0)


def test_the_next_free_port_is_taken_instead(taken: int) -> None:
    with listen_nearby(taken) as listening:
        assert taken < listening.getsockname()[1] < taken + 100


def test_any_port_is_any_port() -> None:
    with listen_nearby(0) as listening:
        assert listening.getsockname()[1] > 0


def test_where_no_port_is_free_that_is_said() -> None:
    try:
        last = socket.create_server(("127.0.0.1", 65535))
    except OSError:
        pytest.skip("somebody else listens on the last port")
    with last, pytest.raises(click.ClickException, match="No port from 65535 to 65535 is free"):
        listen_nearby(65535)


def test_what_holds_colons_stands_in_brackets() -> None:
    assert address_of("::1", 8080) == "http://[::1]:8080"
    assert address_of("localhost", 80) == "http://localhost:80"
