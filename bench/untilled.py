"""`python -m bench.untilled --port P`: the gateway with its till taken out, to see what the till costs.

Rule: everything else is as in production: keys, checks, the store, the log.
"""

import argparse
from dataclasses import replace
from typing import NoReturn

import uvicorn

from impasto.app import Readiness, build, keeping_of
from impasto.cli.draining import config_of, leave_what_stays
from impasto.config import load_settings
from impasto.domain.ledger import Begun, Closing, Delivery, Generation, Opening
from impasto.logs import configure_logs


class NoLedger:
    """Lets everything begin and forgets it at once."""

    async def begin(self, opening: Opening) -> Begun:
        return Begun()

    async def mark_sent(self, generation_id: str) -> None:
        pass

    async def close(self, closing: Closing) -> None:
        pass

    async def note_delivery(self, generation_id: str, claim: int, delivery: Delivery) -> None:
        pass

    async def find(self, generation_id: str) -> Generation | None:
        return None


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m bench.untilled")
    parser.add_argument("--port", type=int, required=True)
    settings = load_settings({"port": parser.parse_args().port})
    configure_logs(settings.log_level)
    keeping = replace(keeping_of(settings), ledger=NoLedger())
    server = uvicorn.Server(config_of(build(settings, Readiness(), keeping=keeping), port=settings.port))
    leave_what_stays()
    server.run()
    raise SystemExit


if __name__ == "__main__":
    main()
