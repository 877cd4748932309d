"""A connection to one of the addresses that a host stands for, where it is not left to the system which."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses to be called, in their order, of a host and a port; or OSError."""


async def reached(addresses: Sequence[str], port: int) -> socket.socket:
    """Connected to the first of them that answers. Raises OSError: why the last does not."""
    for left, address in enumerate(addresses, 1 - len(addresses)):
        sock: socket.socket | None = None
        try:
            # The kernel may have IPv6 switched off.
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException as error:
            if sock is not None:
                sock.close()
            if not left or not isinstance(error, OSError):
                raise
        else:
            return sock
    raise OSError("there is no address to be called")
