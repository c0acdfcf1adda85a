"""`impasto simulate`: a stand-in for providers, to test against."""

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9090, show_default=True, type=int, help="Port to listen on.")
def command(host: str, port: int) -> None:
    """Run a strict stand-in for Google's Gemini API: free, offline, with faults on demand."""
    from impasto.simulator.server import run_simulator

    run_simulator(host, port)
