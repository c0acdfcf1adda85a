import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from impasto.domain.errors import Code, Failure
from impasto.storage.spool import FileSpool, FileSpools

OPEN_FILES = Path("/proc/self/fd")


@pytest.mark.parametrize("memory_bytes", [1, 10, 1 << 20])
def test_what_was_written_is_read(memory_bytes: int) -> None:
    spool = FileSpool(memory_bytes)
    spool.write(b"0123456789")
    assert spool.read(3, 4) == b"3456"
    spool.write(b"abc")
    assert spool.read(8, 100) == b"89abc"
    assert spool.read(13, 1) == b""
    spool.close()


def test_what_does_not_fit_into_memory_has_no_name(tmp_path: Path) -> None:
    spool = FileSpools(memory_bytes=1000, folder=str(tmp_path)).open()
    for _ in range(100):
        spool.write(bytes(1000))
        assert list(tmp_path.iterdir()) == []
    assert spool.read(99_000, 5000) == bytes(1000)
    spool.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="this system does not list open files")
def test_closing_gives_the_file_back() -> None:
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(20):
        spool = FileSpool(1)
        spool.write(b"more than one")
        spool.close()
        spool.close()
    assert len(list(OPEN_FILES.iterdir())) == before


_FULL_DISK = """
    import resource, signal
    from impasto.domain.errors import Failure
    from impasto.storage.spool import FileSpool

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    spool = FileSpool(1000)
    try:
        for size in SIZES:
            spool.write(bytes(size))
    except Failure as failure:
        print(failure.code, failure.retry_helps, "File too large" in failure.logged)
    else:
        print("it all fitted")
    spool.close()
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no such limit here")
@pytest.mark.parametrize("sizes", [[20_000], [9_000, 9_000], [900] * 30, [1] * 12_000])
def test_a_full_disk_is_said_when_it_is_written_to(sizes: list[int]) -> None:
    program = textwrap.dedent(_FULL_DISK).replace("SIZES", repr(sizes))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == (f"{Code.STORE_UNAVAILABLE} False True\n", "")


def test_a_folder_that_is_gone_is_ours(tmp_path: Path) -> None:
    spool = FileSpool(1, str(tmp_path / "gone"))
    with pytest.raises(Failure) as raised:
        spool.write(b"more than one")
    assert raised.value.code is Code.STORE_UNAVAILABLE
    spool.close()


def test_a_read_that_fails_is_ours_as_well() -> None:
    spool = FileSpool(1)
    spool.write(b"more than one")
    os.close(spool._file.fileno())
    with pytest.raises(Failure) as raised:
        spool.read(0, 4)
    assert raised.value.code is Code.STORE_UNAVAILABLE
    spool.close()
