"""Sockets to listen on, bound before anything else is started or said.

Rule: what cannot be bound is a sentence that says what to do instead.
"""

import errno
import socket

import click

_BACKLOG = 2048
_PORTS_TRIED = 100
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def listen_on(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on `port` (0: a free one) of every address of `host`. Raises `click.ClickException`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise click.ClickException(
            f'--host: "{host}" is no address that is known here. Listen on 127.0.0.1, or on 0.0.0.0 '
            "for every address of this machine."
        ) from error
    addresses = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found)
    sockets: list[socket.socket] = []
    for family, address in addresses:
        try:
            sockets.append(socket.create_server((address, port), family=family, backlog=_BACKLOG))
        except OSError as error:
            if error.errno in _ABSENT and (sockets or len(addresses) > 1):
                continue  # localhost is ::1 as well, also where there is no IPv6
            for opened in sockets:
                opened.close()
            raise click.ClickException(_sentence(error, host, port)) from error
        port = sockets[0].getsockname()[1]
    if not sockets:
        raise click.ClickException(_sentence(OSError(errno.EADDRNOTAVAIL, ""), host, port))
    return sockets


def listen_nearby(port: int) -> socket.socket:
    """A socket that listens on `port` of 127.0.0.1, or on the next free port above it (0: on any)."""
    last = min(port + _PORTS_TRIED - 1, 65535)
    for candidate in range(port, last + 1) if port else (0,):
        try:
            return socket.create_server(("127.0.0.1", candidate), backlog=_BACKLOG)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise click.ClickException(_sentence(error, "127.0.0.1", candidate)) from error
    raise click.ClickException(f"No port from {port} to {last} is free. Choose another with --port.")


def address_of(host: str, port: int) -> str:
    """The URL of a server on `host`, brackets around what holds colons."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _sentence(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{address_of(host, port)} is taken: another program listens there. Stop it, or choose another port "
                "with --port."
            )
        case errno.EACCES:
            return f"This user may not listen on port {port}. Choose one from 1024 up with --port."
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return (
                f"--host: {host} is no address of this machine. Listen on 127.0.0.1, or on 0.0.0.0 "
                "for every address that it has."
            )
    return f"{address_of(host, port)} cannot be listened on: {error.strerror}."
