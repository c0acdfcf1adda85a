"""`impasto simulate`: a stand-in for providers, to test against."""

import signal

import click

from impasto.cli.listening import listen_on


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to listen on.")
@click.option(
    "--port",
    default=9090,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="P",
    help="Port to listen on, 0 for a free one.",
)
def command(host: str, port: int) -> None:
    """Run a stand-in for Google's Gemini API: free, offline, strict.

    It prints what to set so that a gateway calls it, and which faults a prompt can ask for:

    \b
      impasto generate "a boat [[fault:stall 3]]" -m google/gemini-3.1-flash-image
    """
    from impasto.simulator.server import run_simulator

    for tried in listen_on(host, port):  # the simulator binds for itself; this says in words why it could not
        tried.close()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_simulator(host, port)
