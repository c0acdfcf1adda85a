"""A server that ends well, seen from within; signals to real processes are in the end-to-end tests."""

import pickle
import signal

import pytest

from impasto.cli.draining import DrainingServer, config_of
from impasto.config import ConfigError, load_settings


@pytest.fixture
def server() -> DrainingServer:
    return DrainingServer(load_settings(environment={}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains_and_the_second_gives_up(number: int, server: DrainingServer) -> None:
    server.readiness.is_well = lambda: True  # as it is when the server has started
    assert server.readiness.is_ready()
    server.handle_exit(number, None)
    assert (server.readiness.is_ready(), server.should_exit, server.force_exit) == (False, True, False)
    server.handle_exit(number, None)
    assert server.force_exit


def test_a_server_that_has_not_started_is_not_ready(server: DrainingServer) -> None:
    assert not server.readiness.is_ready()


def test_two_kinds_of_signals_are_two_signals(server: DrainingServer) -> None:
    server.handle_exit(signal.SIGTERM, None)
    server.handle_exit(signal.SIGINT, None)
    assert server.force_exit


def test_a_server_can_be_given_up_before_it_runs(server: DrainingServer) -> None:
    server.give_up()
    assert server.should_exit


def test_settings_that_do_not_fit_make_no_server() -> None:
    with pytest.raises(ConfigError):
        DrainingServer(load_settings(environment={"GOOGLE_GEMINI_BASE_URL": "nonsense"}))


def test_settings_travel_to_other_processes_whole() -> None:
    settings = load_settings({"port": 1}, environment={"GEMINI_API_KEY": "x", "IMPASTO_DATA": "here"})
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own


def test_the_server_says_nothing_of_itself() -> None:
    config = config_of(lambda: None)
    assert not config.server_header
    assert not config.access_log
