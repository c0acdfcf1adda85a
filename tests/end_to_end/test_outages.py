"""A full disk, a read-only database, a database that goes away: refused before anything is sent, and mended in place.

Rule: nothing is restarted here but what broke.
"""

import asyncio
import os
import pwd
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.servers import free_port
from tests.end_to_end.gateway import serving
from tests.end_to_end.till import Answer, Google, Till, settings_for, till_at

NAMED = {"Idempotency-Key": "one banana"}
NO_MOUNT = "only root can mount the small disk that this test fills"
NO_CLUSTER = "PostgreSQL's initdb and pg_ctl, or the user postgres that could run them, are not here"


async def until_answered(till: Till) -> Answer:
    """An answer as soon as there is one again."""
    async with asyncio.timeout(30):
        while (answer := await till.ask()).status != 200:
            assert answer.status == 503
            await asyncio.sleep(0.1)
    return answer


async def until_ready(till: Till, status: int) -> None:
    async with asyncio.timeout(30):
        while (await till.call("GET", "/health/ready")).status != status:  # noqa: ASYNC110 - what a probe does
            await asyncio.sleep(0.1)


def assert_refused(answer: Answer, *codes: str) -> None:
    assert answer.status == 503
    assert answer.code in codes
    assert "nothing was spent" in answer.body["error"]["message"]
    assert "x-should-retry" not in answer.headers  # who tries again later does no harm
    assert int(answer.headers["retry-after"]) > 0


# --- SQLite and its disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "impasto-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(NO_MOUNT)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte more goes onto the disk."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while ballast.write(b"x" * size):
                    pass
            except OSError:
                continue
    yield
    path.unlink()


async def test_with_a_full_disk_nothing_is_sent(small_disk: Path) -> None:
    async with till_at(small_disk) as till:
        before = (await till.ask(headers=NAMED)).raw
        with filled(small_disk):
            for _ in range(3):
                assert_refused(await till.ask(), "ledger_unavailable")
            assert till.google.arrived == 1
            assert (await till.ask(stream=True)).code == "ledger_unavailable"
            assert (await till.call("GET", "/health/live")).status == 200
        assert (await until_answered(till)).picture
        assert (await till.ask(headers=NAMED)).raw == before
        assert till.google.arrived == 2
        total = await till.until_usage(requests=2, pictures=2)
        assert (total["held"], total["unknown"]) == (0, 0)


async def test_what_was_under_way_when_the_disk_filled_is_posted_when_there_is_room(small_disk: Path) -> None:
    async with till_at(small_disk) as till:
        till.google.hold()
        asking = asyncio.create_task(till.ask(headers=NAMED))
        await till.google.until_arrived(1)
        with filled(small_disk):
            till.google.let_go()
            with pytest.raises(TimeoutError):  # it is not answered before it is written down
                await asyncio.wait_for(asyncio.shield(asking), 1)
        answer = await asking
        # The picture could not be kept, so there is none to give; what it cost is known all the same.
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert answer.headers["x-should-retry"] == "false"
        total = await till.until_usage(requests=1, held=0)
        assert total["cost"] > 0.067
        assert total["unknown"] == 0
        again = await till.ask(headers=NAMED)
        assert again.code == "store_unavailable"
        assert till.google.arrived == 1


async def test_with_a_full_store_no_picture_is_given_that_is_not_kept(tmp_path: Path, small_disk: Path) -> None:
    async with till_at(tmp_path / "data", IMPASTO_STORE_URL=small_disk.as_uri()) as till:
        with filled(small_disk):
            answer = await till.ask()
            assert (answer.status, answer.code) == (503, "store_unavailable")
            assert answer.headers["x-should-retry"] == "false"
        total = await till.until_usage(requests=1, held=0)
        assert total["cost"] > 0.067
        assert (await till.ask()).picture


async def test_with_files_that_take_no_byte_nothing_is_sent(tmp_path: Path) -> None:
    """The system refuses every write of the process, as it does where database and store are read-only."""
    async with Google() as google, till_at(tmp_path / "other", google) as till:
        async with serving(tmp_path, settings_for(google)) as running:
            assert (await till.ask(url=running.url)).picture
            pid = running.process.pid
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
            for stream in (False, True):
                assert_refused(await till.ask(url=running.url, stream=stream), "ledger_unavailable")
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
            assert (await till.ask(url=running.url)).picture
            total = (await till.get("/v3/usage", url=running.url))["total"]
            assert (total["requests"], total["held"], total["unknown"]) == (2, 0, 0)
        assert google.arrived == 2


# --- PostgreSQL, restarted ---


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL of the test's own."""

    folder: Path
    binaries: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, *command: str) -> None:
        run_as_postgres([str(self.binaries / command[0]), *command[1:]])

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")


def run_as_postgres(command: list[str]) -> None:
    """PostgreSQL refuses to run as root."""
    before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*before, *command], check=True, capture_output=True, cwd="/", timeout=60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or (os.geteuid() == 0 and not (shutil.which("runuser") and has_postgres_user())):
        pytest.skip(NO_CLUSTER)
    folder = Path("/var/tmp") / f"impasto-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    made = Cluster(folder, found[-1].parent, free_port())
    try:
        made.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        made.start()
        yield made
        made.stop()
    finally:
        shutil.rmtree(folder)


def has_postgres_user() -> bool:
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return False
    return True


@pytest.fixture
async def till(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Till]:
    settings = {"IMPASTO_DATABASE_URL": cluster.url, "IMPASTO_SECRET": "the same for all who share a cluster"}
    async with Google() as google, till_at(tmp_path, google, **settings) as standing:
        yield standing


async def test_while_postgresql_is_down_nothing_is_sent(till: Till, cluster: Cluster) -> None:
    key = (await till.make_key())["key"]
    before = await till.ask(key=key, headers=NAMED)
    await until_ready(till, 200)
    await asyncio.to_thread(cluster.stop)
    for asked in (till.ask(), till.ask(key=key), till.ask(key=key, retry=1), till.ask(key=key, headers=NAMED)):
        assert_refused(await asked, "ledger_unavailable")
    assert till.google.arrived == 1
    await until_ready(till, 503)
    await asyncio.to_thread(cluster.start)
    await until_ready(till, 200)
    assert (await till.ask(key=key)).picture
    assert (await till.ask(key=key, headers=NAMED)).raw == before.raw
    assert till.google.arrived == 2
    total = (await till.get("/v3/usage", key=key))["total"]
    assert (total["requests"], total["pictures"], total["held"], total["unknown"]) == (2, 2, 0, 0)


async def test_what_was_under_way_when_postgresql_went_is_settled_when_it_is_back(till: Till, cluster: Cluster) -> None:
    before = await till.spent()
    till.google.hold()
    staying = asyncio.create_task(till.ask("one who stays", retry=0))
    leaving = asyncio.create_task(till.ask("one who leaves", retry=0))
    await till.google.until_arrived(2)
    await asyncio.to_thread(cluster.stop)
    leaving.cancel()
    till.google.let_go()
    with pytest.raises(TimeoutError):  # what is paid for is not given away before it is written down
        await asyncio.wait_for(asyncio.shield(staying), 0.5)
    await asyncio.to_thread(cluster.start)
    assert (await staying).picture
    again = await till.ask("one who leaves", retry=1)
    assert again.picture
    assert till.google.arrived == 2
    total = await till.until_usage(held=0, pictures=before["pictures"] + 2)
    assert total["unknown"] == before["unknown"]
    assert total["cost"] > before["cost"] + 2 * 0.067


async def test_a_restart_between_two_requests_is_not_noticed(till: Till, cluster: Cluster) -> None:
    assert (await till.ask()).picture
    await asyncio.to_thread(cluster.stop)
    await asyncio.to_thread(cluster.start)
    assert (await till.ask()).picture
    assert till.google.arrived == 2
