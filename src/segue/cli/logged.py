"""How server and agent write their logs: a message is one line, whatever others have put into it.

Names, targets and reasons come from whoever speaks to the server. What does not show in them is spelled out, so that no
one writes a line of the log but the program itself. Tracebacks are the program's own, and have their lines.
"""

from __future__ import annotations

import logging

from segue.cli.terminal import plain


class Lines(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  as it is called there
        return plain(super().formatMessage(record))
