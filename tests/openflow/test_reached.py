"""Which of the addresses of a host is called."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from segue.openflow.reached import reached


def test_without_ipv6_in_the_kernel_the_other_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutIPv6(socket.socket):
        def __init__(self, family: int = socket.AF_INET, *args: Any, **kwargs: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *args, **kwargs)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as waiting:
            port = waiting.getsockname()[1]
            monkeypatch.setattr(socket, "socket", WithoutIPv6)
            with await reached(["::1", "127.0.0.1"], port) as sock:
                assert sock.getpeername() == ("127.0.0.1", port)
            with pytest.raises(OSError, match="not supported"):
                await reached(["::1"], port)

    asyncio.run(main())
