"""A service's meters: what exceeds a rate is dropped, as Open vSwitch's userspace datapath has it."""

from __future__ import annotations

from typing import Final

from segue.inject.errors import Refusal
from segue.inject.scope import Scope
from segue.model.program import Band, Meter
from segue.openflow import protocol as of
from segue.openflow.protocol.meters import MeterFlags, MeterNumber

MAX_BANDS: Final = 8
_WORD: Final = 0xFFFFFFFF
_KNOWN: Final = MeterFlags.KBPS | MeterFlags.PKTPS | MeterFlags.BURST | MeterFlags.STATS


def meter(scope: Scope, mod: of.MeterMod, number: int) -> Meter:
    """The meter that ``mod`` asks for, as the switches' meter ``number``."""
    if not scope.permissions.meter:
        text = f"service {scope.name!r} is not permitted to use meters; ask for permission meter"
        raise Refusal("OFPBRC_EPERM", text)
    if not 1 <= mod.meter_id <= MeterNumber.MAX:
        raise Refusal("OFPMMFC_INVALID_METER", f"meter {mod.meter_id:#x}: meters are 1 to {MeterNumber.MAX:#x}")
    by_packets, by_bits = bool(mod.flags & MeterFlags.PKTPS), bool(mod.flags & MeterFlags.KBPS)
    if mod.flags & ~_KNOWN or by_packets == by_bits:
        raise Refusal("OFPMMFC_BAD_FLAGS", f"flags {mod.flags:#x}: say either KBPS or PKTPS, besides BURST and STATS")
    if not 1 <= len(mod.bands) <= MAX_BANDS:
        raise Refusal("OFPMMFC_OUT_OF_BANDS", f"a meter has 1 to {MAX_BANDS} bands, not {len(mod.bands)}")
    burst = bool(mod.flags & MeterFlags.BURST)
    return Meter(number, by_packets, tuple(_band(one, burst) for one in mod.bands), scope.owner)


def _band(band: of.MeterBand, burst: bool) -> Band:
    if not isinstance(band, of.MeterDrop):
        raise Refusal("OFPMMFC_BAD_BAND", "Open vSwitch drops what exceeds a rate, and no more; use bands of type drop")
    if not 1 <= band.rate <= _WORD:
        raise Refusal("OFPMMFC_BAD_RATE", f"rate {band.rate} is not within 1..{_WORD}")
    if burst and not 0 <= band.burst_size <= _WORD:
        raise Refusal("OFPMMFC_BAD_BURST", f"burst {band.burst_size} is not within 0..{_WORD}")
    return Band(band.rate, band.burst_size if burst else 0)
