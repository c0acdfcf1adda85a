"""The real program in processes of its own: what it serves, how it ends, and what it leaves behind."""

import http.client
import json
import os
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from impasto.domain.image import media_type_of

KEY = "impasto_test_key_of_forty_characters_000"
SEED = "google/gemini-3.1-flash-image"
SECONDS = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@dataclass
class Program:
    """A command that runs. `lines` are what it printed so far, on both streams."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _coming: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._coming.put(line.rstrip("\n"))

    def wait_for(self, pattern: str) -> str:
        """The first group of `pattern` in the next line that holds it."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                line = self._coming.get(timeout=0.1)
            except queue.Empty:
                assert self.process.poll() is None or not self._coming.empty(), "\n".join(self.lines)
                continue
            self.lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found.group(1)
        raise AssertionError(f"{pattern} never came:\n" + "\n".join(self.lines))

    def end(self, number: int | None = None) -> int:
        """Send signal `number` and wait for the end; the exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=SECONDS)
        self._reader.join(timeout=SECONDS)
        while not self._coming.empty():
            self.lines.append(self._coming.get())
        return code

    @property
    def said(self) -> str:
        return "\n".join(self.lines)


def environment_with(more: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "COLUMNS": "200"} | dict(more)


@contextmanager
def impasto(folder: Path, *arguments: str, **environment: str) -> Iterator[Program]:
    """The program in a session of its own, so that Ctrl-C can reach all of it as it does from a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "impasto", *arguments],
        cwd=folder,
        env=environment_with(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            program = Program(process)
            yield program
            program.end(signal.SIGKILL if process.poll() is None else None)
    finally:
        if process.poll() is None:
            process.kill()


def done(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The program, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "impasto", *arguments],
        cwd=folder,
        env=environment_with(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def ctrl_c(program: Program) -> int:
    os.killpg(program.process.pid, signal.SIGINT)
    return program.end()


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, above in pairs if above == parent]
    return found[1:]


def wait_until_gone(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + SECONDS
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still alive: {[pid for pid in pids if is_alive(pid)]}"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def send(url: str, method: str, path: str, body: bytes | None = None, key: str = KEY) -> tuple[int, Any]:
    """The status and the JSON of the answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
    with closing(connection):
        connection.request(method, path, body, {"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def get(url: str, path: str) -> tuple[int, Any]:
    return send(url, "GET", path)


def ask(url: str, prompt: str) -> tuple[int, Any]:
    body = json.dumps({"model": SEED, "messages": [{"role": "user", "content": prompt}]})
    return send(url, "POST", "/v3/chat/completions", body.encode())


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`impasto simulate`, and the environment in which a gateway calls it."""
    with impasto(tmp_path_factory.mktemp("google"), "simulate", "--port", "0") as simulator:
        url = simulator.wait_for("^export GOOGLE_GEMINI_BASE_URL=(.*)")
        simulator.wait_for("(Ctrl-C)")
        yield {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": "simulated"}
        assert simulator.end(signal.SIGTERM) == 0, simulator.said


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[Program, str]]:
    """`impasto serve` on a free port, ready."""
    environment = {"IMPASTO_API_KEY": KEY} | environment
    with impasto(folder, "serve", "--port", "0", *arguments, **environment) as program:
        url = program.wait_for("^impasto listens on (http://.*)$")
        deadline = time.monotonic() + SECONDS
        while get(url, "/health/ready")[0] != 200:
            assert time.monotonic() < deadline
        yield program, url


class Asked(threading.Thread):
    """A request that is under way."""

    def __init__(self, url: str, prompt: str) -> None:
        super().__init__(daemon=True)
        self._url, self._prompt = url, prompt
        self.answer: tuple[int, Any] | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = ask(self._url, self._prompt)
        except (OSError, http.client.HTTPException) as error:
            self.answer = error


def calls_at(google: Mapping[str, str]) -> int:
    return len(get(google["GOOGLE_GEMINI_BASE_URL"], "/simulator/calls")[1]["calls"])


def asked_and_under_way(url: str, prompt: str, google: Mapping[str, str]) -> Asked:
    """A request that has reached the provider."""
    before = calls_at(google)
    request = Asked(url, prompt)
    deadline = time.monotonic() + SECONDS
    while calls_at(google) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return request


# --- serve ---


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish(
    workers: str, number: signal.Signals, tmp_path: Path, google: dict[str, str]
) -> None:
    with serving(tmp_path, "--workers", workers, **google) as (program, url):
        request = asked_and_under_way(url, "a boat [[fault:stall 2]]", google)
        assert (ctrl_c(program) if number is signal.SIGINT else program.end(number)) == 0
        request.join(SECONDS)
    assert isinstance(request.answer, tuple), request.answer
    assert request.answer[0] == 200
    assert "Traceback" not in program.said
    [line] = [json.loads(line) for line in program.lines if line.startswith("{")]
    assert (line["event"], line["status"]) == ("request", 200)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_ends_at_once(workers: str, tmp_path: Path, google: dict[str, str]) -> None:
    with serving(tmp_path, "--workers", workers, **google) as (program, url):
        started = descendants(program.process.pid)
        request = asked_and_under_way(url, "a boat [[fault:stall 300]]", google)
        program.process.send_signal(signal.SIGTERM)
        time.sleep(1)  # a supervisor looks twice a second
        program.end(signal.SIGTERM)
        request.join(SECONDS)
    assert isinstance(request.answer, Exception)
    assert "Traceback" not in program.said
    wait_until_gone(started)


def test_nobody_new_is_let_in_while_it_drains(tmp_path: Path, google: dict[str, str]) -> None:
    with serving(tmp_path, **google) as (program, url):
        request = asked_and_under_way(url, "a boat [[fault:stall 2]]", google)
        program.process.send_signal(signal.SIGTERM)
        assert program.wait_for("(1 request is still running)")
        with pytest.raises(ConnectionRefusedError):
            get(url, "/health/ready")
        assert program.end() == 0
        request.join(SECONDS)


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as (program, _):
        workers = descendants(program.process.pid)
        assert len(workers) >= 2
        program.end(signal.SIGKILL)
        wait_until_gone(workers)


def test_workers_know_flags_and_files(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('log_level = "debug"\nmax_body_mb = 1\n[aliases]\nbrush = "local/painter"\n')
    flags = ("--workers", "2", "--config", "c.toml", "--log-level", "info", "--data", "own")
    with serving(tmp_path, *flags, IMPASTO_API_KEY="") as (program, url):
        secret = (tmp_path / "own" / "first-key").read_text().strip()
        body = b"x" * (2 << 20)
        for _ in range(4):
            assert send(url, "POST", "/v3/chat/completions", body, secret)[0] == 413
        assert get(url, "/v3/models/brush")[0] == 200
        assert program.end(signal.SIGTERM) == 0
    assert '"level":"debug"' not in program.said
    assert not (tmp_path / "impasto-data").exists()


def test_the_first_key_is_shown_once_kept_closed_and_works(tmp_path: Path) -> None:
    with serving(tmp_path, IMPASTO_API_KEY="") as (program, url):
        page = program.wait_for(r"(http://.*/#key=impasto_[\w-]+)$")
        assert program.end(signal.SIGTERM) == 0
    file = tmp_path / "impasto-data" / "first-key"
    secret = file.read_text().strip()
    assert page == f"{url}/#key={secret}"
    assert program.said.count(secret) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with serving(tmp_path, IMPASTO_API_KEY="") as (program, _):
        assert program.end(signal.SIGTERM) == 0
    assert secret not in program.said


def test_ipv6_is_served(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with serving(tmp_path, "--host", "::1") as (program, url):
        assert url.startswith("http://[::1]:")
        assert get(url, "/health/live") == (200, {"status": "alive"})
        assert program.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_one_sentence(workers: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = done(tmp_path, "serve", "--port", str(other.getsockname()[1]), "--workers", workers)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"Error: http://127\.0\.0\.1:\d+ is taken: .*\n", result.stderr)


# --- generate ---


def test_a_picture_without_a_server_and_without_a_key(tmp_path: Path) -> None:
    result = done(tmp_path, "generate", "a red boat", "--image-size", "512", "-n", "2", "--json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert [(fact["path"], fact["width"], fact["cost"]) for fact in facts] == [
        ("output-1.png", 512, 0), ("output-2.png", 512, 0),
    ]  # fmt: skip
    pictures = [(tmp_path / fact["path"]).read_bytes() for fact in facts]
    assert {media_type_of(picture[:256]) for picture in pictures} == {"image/png"}
    assert pictures[0] != pictures[1]
    assert result.stderr == ""


def test_a_key_chooses_a_model_and_a_jpeg_is_named_so(tmp_path: Path, google: dict[str, str]) -> None:
    result = done(tmp_path, "generate", "a boat", "-o", "boat.png", **google)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("boat.jpg  (the bytes are image/jpeg, and the suffix follows them)\n")
    assert re.search(r"  google/\S+, [\d.]+ s, \$0\.\d{4}\n", result.stdout)
    assert media_type_of((tmp_path / "boat.jpg").read_bytes()[:256]) == "image/jpeg"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("words", r"Error: The model answered in words, (under )?\$0\.\d{4}: "),
        ("refuse IMAGE_SAFETY", "Error: Refused: "),
        ("block", "Error: Refused: "),
        ("cut", r"Error: Google broke off its answer\. .* \(request req-\w+\)"),
        ("status 429", "Error: Google limits how much this gateway may ask"),
    ],
)
def test_no_picture_exits_1_with_the_reason(fault: str, said: str, tmp_path: Path, google: dict[str, str]) -> None:
    result = done(tmp_path, "generate", f"a boat [[fault:{fault}]]", "-m", SEED, **google)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.match(said, result.stderr)
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.*g"))


def test_a_running_gateway_is_asked_with_the_key_of_its_folder(tmp_path: Path, google: dict[str, str]) -> None:
    with serving(tmp_path, IMPASTO_API_KEY="", **google) as (program, url):
        with_first_key = done(tmp_path, "generate", "a boat", "-m", SEED, IMPASTO_URL=url)
        with_wrong_key = done(tmp_path, "generate", "a boat", "-m", SEED, IMPASTO_URL=url, IMPASTO_API_KEY=KEY)
        assert program.end(signal.SIGTERM) == 0
    assert with_first_key.returncode == 0, with_first_key.stderr
    assert with_wrong_key.returncode == 1
    assert "The command line sends IMPASTO_API_KEY, or first-key of the data folder." in with_wrong_key.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_painter_without_a_traceback(number: signal.Signals, tmp_path: Path) -> None:
    with impasto(tmp_path, "generate", "a city at night", "--image-size", "4K", "-m", "local/painter") as program:
        started = painting(program)
        code = ctrl_c(program) if number is signal.SIGINT else program.end(number)
    assert (code, program.lines) == (130, ["Stopped."])
    wait_until_gone(started)


def test_the_painter_does_not_outlive_a_killed_program(tmp_path: Path) -> None:
    arguments = ("generate", "a city at night", "--image-size", "4K", "-m", "local/painter")
    with impasto(tmp_path, *arguments, TMPDIR=str(tmp_path)) as program:  # nobody is left to clear up
        started = painting(program)
        program.end(signal.SIGKILL)
        wait_until_gone(started)


def painting(program: Program) -> list[int]:
    """The processes of a program whose painter is at work: past its imports, it uses a second of a processor."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        started = descendants(program.process.pid)
        if any(cpu_seconds(pid) >= 1 for pid in started):
            return started
        time.sleep(0.05)
    raise AssertionError(program.said)


def cpu_seconds(pid: int) -> int:
    said = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    hours, minutes, seconds = (said.strip() or "0:0:0").split(":")[-3:]
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


# --- run ---


def test_run_paints_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with impasto(tmp_path, "run", "--port", str(taken)) as program:
            program.wait_for(f"^(Port {taken} is taken; this server took the next free one)")
            url = program.wait_for("^impasto listens on (http://127.0.0.1:.*)$")
            program.wait_for("^(output.png)$")
            program.wait_for(r"^  (1376×768), image/png, [\d.]+ MB$")
            program.wait_for(r"^  (local/painter), [\d.]+ s, free$")
            program.wait_for("(not a generative model)")
            assert program.wait_for("^The page: (.*)/#key=") == url
            program.wait_for("^(Serving until Ctrl-C.)$")
            assert get(url, "/health/ready")[0] == 200
            started = descendants(program.process.pid)
            assert ctrl_c(program) == 0
            wait_until_gone(started)
    assert media_type_of((tmp_path / "output.png").read_bytes()[:256]) == "image/png"
    assert "Traceback" not in program.said


def test_run_never_shows_the_operators_key(tmp_path: Path) -> None:
    with impasto(tmp_path, "run", "--port", "0", IMPASTO_API_KEY=KEY) as program:
        program.wait_for("^(Serving until Ctrl-C.)$")
        assert program.end(signal.SIGTERM) == 0
    assert KEY not in program.said


def test_run_lets_a_paid_answer_finish_and_a_second_ctrl_c_gives_it_up(tmp_path: Path, google: dict[str, str]) -> None:
    arguments = ("run", "--port", "0", "-m", SEED, "--paid")
    for second in (False, True):
        with impasto(tmp_path, *arguments, IMPASTO_API_KEY=KEY, **google) as program:
            url = program.wait_for("^impasto listens on (http://.*)$")
            program.wait_for("^(Serving until Ctrl-C.)$")
            request = asked_and_under_way(url, f"a boat [[fault:stall {300 if second else 2}]]", google)
            os.killpg(program.process.pid, signal.SIGINT)
            program.wait_for("(1 request is still running)")
            code = ctrl_c(program) if second else program.end()
            request.join(SECONDS)
        assert code == 0
        assert isinstance(request.answer, Exception if second else tuple)
        assert "Traceback" not in program.said


# --- simulate ---


def test_a_simulator_on_a_port_that_is_taken_says_so(tmp_path: Path, google: dict[str, str]) -> None:
    port = google["GOOGLE_GEMINI_BASE_URL"].rpartition(":")[2]
    result = done(tmp_path, "simulate", "--port", port)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"http://127.0.0.1:{port} is taken" in result.stderr
