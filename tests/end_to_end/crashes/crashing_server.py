"""The ordinary server, as a program that kills itself at a named step of a request.

    each line of its input        "", or a step and for the how manieth time it is passed: "kept 3"
    two lines of output for it    the server's process id; its exit code, once it has ended

Steps of a request are those that it passes, and, of the store on the disk, the moments before a file gets its final
name: `keeping-picture`, `keeping-signature`, `keeping-blob` for either, `keeping-note`.

Rule: without a step a server is what `impasto serve` is. Each is a process of its own, which is given nothing but the
environment; it only finds the program loaded already. All end with whoever started this.
"""

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.cli.draining import DrainingServer
from impasto.cli.listening import listen_on
from impasto.config import load_settings
from impasto.logs import configure_logs

PICTURE_BYTES = 100_000
"""No signature of a test weighs as much, and no picture less."""


@dataclass(slots=True)
class Death:
    """Comes when `step` is passed for the time that `count` says, and leaves no time for anything."""

    step: str = ""
    count: int = 0

    def __call__(self, step: str) -> None:
        if step == self.step:
            self.count -= 1
            if self.count == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def hear_of_files(self, event: str, of: tuple[Any, ...]) -> None:
        """An audit hook: Python tells of a file before it gets another name."""
        if event != "os.rename":
            return
        if Path(os.fsdecode(of[1])).parent.name == "notes":
            self("keeping-note")
        else:
            self("keeping-blob")
            self("keeping-picture" if Path(of[0]).stat().st_size >= PICTURE_BYTES else "keeping-signature")


def main() -> None:
    while line := _line():
        child = os.fork()
        if not child:
            _serve(*line.split())
            return
        _say(child)
        _say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _serve(step: str = "", count: str = "0") -> None:
    threading.Thread(target=_end_with_input, daemon=True).start()
    settings = load_settings()
    death = Death(step, int(count))
    server = DrainingServer(settings, death)
    if step.startswith("keeping-"):
        sys.addaudithook(death.hear_of_files)
    sockets = listen_on(settings.host, settings.port)
    configure_logs(settings.log_level)
    server.run(sockets)


def _end_with_input() -> None:
    """Nothing more is said while a server lives: what comes is the end."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _line() -> str:
    """The next line, read without a buffer, which a child would have too."""
    line = b""
    while not line.endswith(b"\n"):
        character = os.read(0, 1)
        if not character:
            return ""
        line += character
    return line.decode()


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
