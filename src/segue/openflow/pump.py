"""The loop that a busy controller spends its time in: cut messages from a stream, call a handler, write its answer.

A `Pump` belongs to one connection whose version is agreed. Messages of a *hot* type, one that plain functions handle,
are read and handed to their handler here; what it returns is written at once, into one buffer for everything that one
read of the socket brought. Whatever else comes goes to `cold`, which knows about replies, errors and liveness.

The compiled core has the same class (`core.Pump` is whichever there is); this one is what it does where there is no
compiler. Messages sent here have transaction ids of the upper half, so that they never meet those of the
connection's own requests.
"""

from collections.abc import Callable
from typing import Any, Final

from segue.openflow.codec import READERS, WRITERS, encode
from segue.openflow.declare import Message
from segue.openflow.wire import HEADER_LEN, MAX_LEN, ProtocolError

FIRST_XID: Final = 0x80000000
LAST_XID: Final = 0xFFFFFFFE
_TYPES: Final = 64  # OpenFlow has got to 35
MOST: Final = 256
"""Messages of one answer that are written at once."""

_HEADS: Final = 256  # hot messages come in few sizes

Handler = Callable[[Any, Any], Any]
Head = tuple[Handler | None, Any, int]


class Pump:
    """Handlers are `handler(switch, message)`, set by `set_hot`.

    A handler returns None, a message, or a list or tuple of messages. Anything else (a coroutine, and so many messages
    that they are to be handed over while the peer takes them) goes to `odd(message, result)`. An exception of a
    handler, or an answer that cannot be written, goes to `failed(message, exception)` and harms nothing else; of
    several messages, all are written or none. `cold(frame)` gets every other message, whole, and returns the bytes
    that are to be sent, which keep their place between the answers.

    `stopped` ends the loop, also from within a handler; an exception that `feed` lets through sets it.
    """

    __slots__ = ("_busy", "_cold", "_failed", "_heads", "_hot", "_odd", "_rest", "_xid", "stopped", "switch", "version")

    def __init__(
        self,
        version: int,
        switch: Any,
        cold: Callable[[bytes], bytes | None],
        odd: Callable[[Any, Any], None],
        failed: Callable[[Any, BaseException], None],
    ) -> None:
        self.version = version
        self.switch = switch
        self.stopped = False
        self._hot: dict[int, Handler] = {}
        self._heads: dict[bytes, Head] = {}
        self._cold = cold
        self._odd = odd
        self._failed = failed
        self._rest = b""
        self._xid = FIRST_XID
        self._busy = False

    @property
    def pending(self) -> int:
        """Octets of a message that is not whole yet."""
        return len(self._rest)

    def set_hot(self, kind: int, handler: Handler | None) -> None:
        """From now on messages of type `kind` go to `handler`, or to `cold` if it is None."""
        if not 0 <= kind < _TYPES:
            raise ValueError(f"no message has type {kind}")
        if handler is None:
            self._hot.pop(kind, None)
        else:
            self._hot[kind] = handler
        self._heads.clear()

    def feed(self, view: bytes | bytearray | memoryview) -> bytes:
        """What is to be sent for these bytes. ProtocolError when the stream cannot go on."""
        if self._busy:
            raise RuntimeError("a handler cannot feed the pump that called it")
        if self.stopped:
            return b""
        data = self._rest + bytes(view) if self._rest else bytes(view)
        self._rest = b""
        self._busy = True
        out: list[bytes] = []
        try:
            offset = self._run(data, out)
        except BaseException:
            self.stopped = True
            raise
        finally:
            self._busy = False
        if not self.stopped:
            self._rest = data[offset:]
        return b"".join(out)

    def _run(self, data: bytes, out: list[bytes]) -> int:
        """How far `data` was understood."""
        heads, cold, version, switch = self._heads, self._cold, self.version, self.switch
        writers, append = WRITERS[version], out.append
        offset, size = 0, len(data)
        while size - offset >= HEADER_LEN and not self.stopped:
            known = heads.get(data[offset : offset + 4])
            if known is None:
                known = self._look(data[offset : offset + 4])
            handler, reader, length = known
            after = offset + length
            if after > size:
                break
            if handler is not None:
                try:
                    msg = reader(data, offset, after)
                except ProtocolError:
                    handler = None
            if handler is None:
                answer = cold(data[offset:after])
                offset = after
                if answer:
                    append(answer)
                continue
            offset = after
            try:
                result = handler(switch, msg)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as e:  # what would cancel a task too: nobody cancelled this one
                self._failed(msg, e)
                continue
            if result is None:
                continue
            writer = writers.get(type(result))
            if writer is None:
                self._answer(msg, result, out)
                continue
            xid = self._xid
            self._xid = xid = xid + 1 if xid < LAST_XID else FIRST_XID
            try:
                answer = writer(result, xid)
            except Exception:
                answer = b""
            if 0 < len(answer) <= MAX_LEN:
                append(answer)
                continue
            try:
                append(encode(result, xid, version))  # which says what is wrong with it
            except Exception as e:
                self._failed(msg, e)
        return offset

    def _look(self, head: bytes) -> Head:
        """What the first four octets of a message say: version, type and length."""
        kind, length = head[1], head[2] << 8 | head[3]
        if length < HEADER_LEN:
            raise ProtocolError(f"a header says {length} bytes, less than its own")
        handler = self._hot.get(kind) if head[0] == self.version else None
        if handler is None:
            return None, None, length  # of which there are too many to be worth remembering
        if len(self._heads) >= _HEADS:
            self._heads.clear()
        self._heads[head] = known = (handler, READERS[self.version][kind], length)
        return known

    def _answer(self, msg: Any, result: Any, out: list[bytes]) -> None:
        """The slower way: several messages, or one whose writer is not made yet."""
        written: list[bytes] = []
        if isinstance(result, Message):
            result = (result,)
        elif not isinstance(result, (list, tuple)) or len(result) > MOST:
            self._odd(msg, result)
            return
        try:
            for one in result:
                self._xid = self._xid + 1 if self._xid < LAST_XID else FIRST_XID
                written.append(encode(one, self._xid, self.version))
        except Exception as e:
            self._failed(msg, e)
        else:
            out += written
