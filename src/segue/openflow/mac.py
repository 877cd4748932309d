"""MAC addresses, which are integers of 48 bits here, as people write them."""

import re
from typing import Final

_GROUP: Final = 1 << 40
_FORM: Final = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")


def format_mac(mac: int) -> str:
    """`02:00:00:00:00:01`."""
    return mac.to_bytes(6, "big").hex(":")


def parse_mac(text: str) -> int:
    """The number. ValueError says what was wanted."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text!r} is not a MAC address such as 02:00:00:00:00:01")
    return int(text.replace(":", "").replace("-", ""), 16)


def is_multicast(mac: int) -> bool:
    """Whether it is a group's address (broadcast too), IEEE 802-2014 section 8.2.2."""
    return bool(mac & _GROUP)
