"""The names of errors: which type and code mean what, in each version.

OpenFlow 1.0 numbers its types otherwise than all later versions, and each version added codes (OpenFlow 1.0.0 section
5.4.4, 1.1.0 section A.4.4, 1.2 section A.4.4, 1.3.5 section A.4.4, 1.4.1 section 7.5.4, 1.5.1 section 7.5.4). Names
are those of the version: 3 of a bad request is OFPBRC_BAD_VENDOR in 1.0 and OFPBRC_BAD_EXPERIMENTER from 1.1 on. What
Open vSwitch adds is in `extension_errors`.
"""

from struct import Struct
from typing import Final

from segue.openflow.protocol.basic import EXPERIMENTER_ERROR, Error
from segue.openflow.protocol.extension_errors import NXET_VENDOR, NXVC_VENDOR_ERROR, TABLE
from segue.openflow.wire import NICIRA, ONF, V12, VERSIONS

# A type, its codes' prefix, its number by version ("1.1+ 5" or for all "3"); then its codes: number, name, versions.
_STANDARD: Final = """
OFPET_HELLO_FAILED OFPHFC_ 1.0+ 0
0 INCOMPATIBLE, 1 EPERM
OFPET_BAD_REQUEST OFPBRC_ 1.0+ 1
0 BAD_VERSION, 1 BAD_TYPE, 2 BAD_STAT 1.0-1.2, 2 BAD_MULTIPART 1.3+, 3 BAD_VENDOR 1.0, 3 BAD_EXPERIMENTER 1.1+
4 BAD_SUBTYPE 1.0-1.1, 4 BAD_EXP_TYPE 1.2+, 5 EPERM, 6 BAD_LEN, 7 BUFFER_EMPTY, 8 BUFFER_UNKNOWN, 9 BAD_TABLE_ID 1.1+
10 IS_SLAVE 1.2+, 11 BAD_PORT 1.2+, 12 BAD_PACKET 1.2+, 13 MULTIPART_BUFFER_OVERFLOW 1.3+
14 MULTIPART_REQUEST_TIMEOUT 1.4+, 15 MULTIPART_REPLY_TIMEOUT 1.4+, 16 MULTIPART_BAD_SCHED 1.5+
17 PIPELINE_FIELDS_ONLY 1.5+, 18 UNKNOWN 1.5+
OFPET_BAD_ACTION OFPBAC_ 1.0+ 2
0 BAD_TYPE, 1 BAD_LEN, 2 BAD_VENDOR 1.0, 2 BAD_EXPERIMENTER 1.1+, 3 BAD_VENDOR_TYPE 1.0, 3 BAD_EXPERIMENTER_TYPE 1.1
3 BAD_EXP_TYPE 1.2+, 4 BAD_OUT_PORT, 5 BAD_ARGUMENT, 6 EPERM, 7 TOO_MANY, 8 BAD_QUEUE, 9 BAD_OUT_GROUP 1.1+
10 MATCH_INCONSISTENT 1.1+, 11 UNSUPPORTED_ORDER 1.1+, 12 BAD_TAG 1.1+, 13 BAD_SET_TYPE 1.2+, 14 BAD_SET_LEN 1.2+
15 BAD_SET_ARGUMENT 1.2+, 16 BAD_SET_MASK 1.5+, 17 BAD_METER 1.5+
OFPET_BAD_INSTRUCTION OFPBIC_ 1.1+ 3
0 UNKNOWN_INST, 1 UNSUP_INST, 2 BAD_TABLE_ID, 3 UNSUP_METADATA, 4 UNSUP_METADATA_MASK, 5 UNSUP_EXP_INST 1.1
5 BAD_EXPERIMENTER 1.2+, 6 BAD_EXP_TYPE 1.2+, 7 BAD_LEN 1.2+, 8 EPERM 1.2+, 9 DUP_INST 1.4+
OFPET_BAD_MATCH OFPBMC_ 1.1+ 4
0 BAD_TYPE, 1 BAD_LEN, 2 BAD_TAG, 3 BAD_DL_ADDR_MASK, 4 BAD_NW_ADDR_MASK, 5 BAD_WILDCARDS, 6 BAD_FIELD, 7 BAD_VALUE
8 BAD_MASK 1.2+, 9 BAD_PREREQ 1.2+, 10 DUP_FIELD 1.2+, 11 EPERM 1.2+
OFPET_FLOW_MOD_FAILED OFPFMFC_ 1.0 3, 1.1+ 5
0 ALL_TABLES_FULL 1.0, 1 OVERLAP 1.0, 2 EPERM 1.0, 3 BAD_EMERG_TIMEOUT 1.0, 4 BAD_COMMAND 1.0, 5 UNSUPPORTED 1.0
0 UNKNOWN 1.1+, 1 TABLE_FULL 1.1+, 2 BAD_TABLE_ID 1.1+, 3 OVERLAP 1.1+, 4 EPERM 1.1+, 5 BAD_TIMEOUT 1.1+
6 BAD_COMMAND 1.1+, 7 BAD_FLAGS 1.2+, 8 CANT_SYNC 1.4+, 9 BAD_PRIORITY 1.4+, 10 IS_SYNC 1.4+
OFPET_GROUP_MOD_FAILED OFPGMFC_ 1.1+ 6
0 GROUP_EXISTS, 1 INVALID_GROUP, 2 WEIGHT_UNSUPPORTED, 3 OUT_OF_GROUPS, 4 OUT_OF_BUCKETS, 5 CHAINING_UNSUPPORTED
6 WATCH_UNSUPPORTED, 7 LOOP, 8 UNKNOWN_GROUP, 9 CHAINED_GROUP 1.2+, 10 BAD_TYPE 1.2+, 11 BAD_COMMAND 1.2+
12 BAD_BUCKET 1.2+, 13 BAD_WATCH 1.2+, 14 EPERM 1.2+, 15 UNKNOWN_BUCKET 1.5+, 16 BUCKET_EXISTS 1.5+
OFPET_PORT_MOD_FAILED OFPPMFC_ 1.0 4, 1.1+ 7
0 BAD_PORT, 1 BAD_HW_ADDR, 2 BAD_CONFIG 1.1+, 3 BAD_ADVERTISE 1.1+, 4 EPERM 1.2+
OFPET_TABLE_MOD_FAILED OFPTMFC_ 1.1+ 8
0 BAD_TABLE, 1 BAD_CONFIG, 2 EPERM 1.2+
OFPET_QUEUE_OP_FAILED OFPQOFC_ 1.0 5, 1.1+ 9
0 BAD_PORT, 1 BAD_QUEUE, 2 EPERM
OFPET_SWITCH_CONFIG_FAILED OFPSCFC_ 1.1+ 10
0 BAD_FLAGS, 1 BAD_LEN, 2 EPERM 1.2+
OFPET_ROLE_REQUEST_FAILED OFPRRFC_ 1.2+ 11
0 STALE, 1 UNSUP, 2 BAD_ROLE, 3 ID_UNSUP 1.5+, 4 ID_IN_USE 1.5+
OFPET_METER_MOD_FAILED OFPMMFC_ 1.3+ 12
0 UNKNOWN, 1 METER_EXISTS, 2 INVALID_METER, 3 UNKNOWN_METER, 4 BAD_COMMAND, 5 BAD_FLAGS, 6 BAD_RATE, 7 BAD_BURST
8 BAD_BAND, 9 BAD_BAND_VALUE, 10 OUT_OF_METERS, 11 OUT_OF_BANDS
OFPET_TABLE_FEATURES_FAILED OFPTFFC_ 1.3+ 13
0 BAD_TABLE, 1 BAD_METADATA, 2 BAD_TYPE 1.3, 3 BAD_LEN 1.3, 4 BAD_ARGUMENT 1.3, 5 EPERM, 6 BAD_CAPA 1.5+
7 BAD_MAX_ENT 1.5+, 8 BAD_FEATURES 1.5+, 9 BAD_COMMAND 1.5+, 10 TOO_MANY 1.5+
OFPET_BAD_PROPERTY OFPBPC_ 1.4+ 14
0 BAD_TYPE, 1 BAD_LEN, 2 BAD_VALUE, 3 TOO_MANY, 4 DUP_TYPE, 5 BAD_EXPERIMENTER, 6 BAD_EXP_TYPE, 7 BAD_EXP_VALUE, 8 EPERM
OFPET_ASYNC_CONFIG_FAILED OFPACFC_ 1.4+ 15
0 INVALID, 1 UNSUPPORTED, 2 EPERM
OFPET_FLOW_MONITOR_FAILED OFPMOFC_ 1.4+ 16
0 UNKNOWN, 1 MONITOR_EXISTS, 2 INVALID_MONITOR, 3 UNKNOWN_MONITOR, 4 BAD_COMMAND, 5 BAD_FLAGS, 6 BAD_TABLE_ID, 7 BAD_OUT
OFPET_BUNDLE_FAILED OFPBFC_ 1.4+ 17
0 UNKNOWN, 1 EPERM, 2 BAD_ID, 3 BUNDLE_EXIST, 4 BUNDLE_CLOSED, 5 OUT_OF_BUNDLES, 6 BAD_TYPE, 7 BAD_FLAGS, 8 MSG_BAD_LEN
9 MSG_BAD_XID, 10 MSG_UNSUP, 11 MSG_CONFLICT, 12 MSG_TOO_MANY, 13 MSG_FAILED, 14 TIMEOUT, 15 BUNDLE_IN_PROGRESS
16 SCHED_NOT_SUPPORTED 1.5+, 17 SCHED_FUTURE 1.5+, 18 SCHED_PAST 1.5+
OFPET_EXPERIMENTER - 1.2+ 65535
"""

# What stands in for a code in versions without it, in this order. Lengths are last resorts of their own.
_INSTEAD: Final = {
    "OFPBRC_BAD_STAT": ("OFPBRC_BAD_MULTIPART",),
    "OFPBRC_BAD_MULTIPART": ("OFPBRC_BAD_STAT",),
    "OFPBRC_BAD_VENDOR": ("OFPBRC_BAD_EXPERIMENTER",),
    "OFPBRC_BAD_EXPERIMENTER": ("OFPBRC_BAD_VENDOR",),
    "OFPBRC_BAD_SUBTYPE": ("OFPBRC_BAD_EXP_TYPE",),
    "OFPBRC_BAD_EXP_TYPE": ("OFPBRC_BAD_SUBTYPE",),
    "OFPBRC_IS_SLAVE": ("OFPBRC_EPERM",),
    "OFPBRC_BAD_PORT": ("OFPBAC_BAD_OUT_PORT",),
    "OFPBRC_MULTIPART_BUFFER_OVERFLOW": ("OFPBRC_BAD_LEN",),
    "OFPBRC_UNKNOWN": ("OFPBRC_EPERM",),
    "OFPBAC_BAD_VENDOR": ("OFPBAC_BAD_EXPERIMENTER",),
    "OFPBAC_BAD_EXPERIMENTER": ("OFPBAC_BAD_VENDOR",),
    "OFPBAC_BAD_VENDOR_TYPE": ("OFPBAC_BAD_EXP_TYPE", "OFPBAC_BAD_EXPERIMENTER_TYPE"),
    "OFPBAC_BAD_EXPERIMENTER_TYPE": ("OFPBAC_BAD_EXP_TYPE", "OFPBAC_BAD_VENDOR_TYPE"),
    "OFPBAC_BAD_EXP_TYPE": ("OFPBAC_BAD_EXPERIMENTER_TYPE", "OFPBAC_BAD_VENDOR_TYPE"),
    "OFPBIC_BAD_EXPERIMENTER": ("OFPBIC_UNSUP_EXP_INST",),
    "OFPBIC_BAD_EXP_TYPE": ("OFPBIC_UNSUP_EXP_INST",),
    "OFPBIC_UNSUP_EXP_INST": ("OFPBIC_BAD_EXPERIMENTER",),
    "OFPFMFC_ALL_TABLES_FULL": ("OFPFMFC_TABLE_FULL",),
    "OFPFMFC_TABLE_FULL": ("OFPFMFC_ALL_TABLES_FULL",),
    "OFPBPC_BAD_TYPE": ("OFPTFFC_BAD_TYPE", "OFPBRC_BAD_TYPE"),
    "OFPBPC_BAD_LEN": ("OFPTFFC_BAD_LEN",),
    "OFPBPC_BAD_VALUE": ("OFPTFFC_BAD_ARGUMENT",),
    "OFPTFFC_BAD_TYPE": ("OFPBPC_BAD_TYPE",),
    "OFPTFFC_BAD_LEN": ("OFPBPC_BAD_LEN",),
    "OFPTFFC_BAD_ARGUMENT": ("OFPBPC_BAD_VALUE",),
}
_INSTEAD_OF_ALL: Final = {
    "OFPBAC_": ("OFPBAC_BAD_ARGUMENT",),
    "OFPBIC_": ("OFPBIC_UNSUP_INST", "OFPFMFC_UNSUPPORTED"),
    "OFPBMC_": ("OFPBMC_BAD_VALUE", "OFPFMFC_UNSUPPORTED"),
    "OFPFMFC_": ("OFPFMFC_UNKNOWN", "OFPFMFC_UNSUPPORTED"),
}

_EXPERIMENTERS: Final = {"NX": NICIRA, "ONF": ONF}
_VENDOR: Final = Struct(">IHH")


class _Names:
    """Everything about the errors of one version."""

    def __init__(self, version: int) -> None:
        self.types: dict[int, str] = {}
        self.codes: dict[tuple[int, int], str] = {}
        self.numbers: dict[str, tuple[int, int]] = {}
        self.extension_codes: dict[tuple[int, int, int], str] = {}
        self.extension_numbers: dict[str, tuple[int, int, int]] = {}
        self._standard(version)
        self._extensions(version)

    def _standard(self, version: int) -> None:
        prefix, number = "", None
        for line in _STANDARD.strip().splitlines():
            if line.startswith("OFPET_"):
                name, prefix, rest = line.split(" ", 2)
                number = next((int(n) for when, n in map(str.split, rest.split(", ")) if _within(version, when)), None)
                if number is not None:
                    self.types[number] = name
            elif number is not None:
                for words in map(str.split, line.split(", ")):
                    if len(words) == 2 or _within(version, words[2]):
                        self.codes[number, int(words[0])] = prefix + words[1]
                        self.numbers[prefix + words[1]] = (number, int(words[0]))

    def _extensions(self, version: int) -> None:
        for line in TABLE.strip().splitlines():
            name, forms = line.split(" ", 1)
            for whose, when, digits in map(str.split, forms.split(", ")):
                if _within(version, when):
                    kind, _, code = digits.rpartition(".")
                    key = (_EXPERIMENTERS[whose], int(kind) if kind else EXPERIMENTER_ERROR, int(code))
                    self.extension_codes[key] = name
                    self.extension_numbers[name] = key


def _within(version: int, when: str) -> bool:
    since = int(when[2]) + 1
    if when.endswith("+"):
        return version >= since
    return since <= version <= (int(when[6]) + 1 if "-" in when else since)


_BY_VERSION: Final[dict[int, _Names]] = {}


def _names(version: int) -> _Names:
    version = min(max(version, VERSIONS[0]), VERSIONS[-1])
    if version not in _BY_VERSION:
        _BY_VERSION[version] = _Names(version)
    return _BY_VERSION[version]


def type_name(version: int, type: int) -> str | None:
    """The specification's name of an error type (`OFPET_BAD_REQUEST`), None where `version` has none."""
    if type == NXET_VENDOR and version < V12:
        return "NXET_VENDOR"
    return _names(version).types.get(type)


def code_name(version: int, type: int, code: int, experimenter: int | None = None) -> str | None:
    """The name of an error code (`OFPBRC_BAD_LEN`), None where it is not known.

    Of an experimenter's error `type` is 0xffff and `code` its exp_type from OpenFlow 1.2 on; before that both are
    Nicira's own, as `struct nx_vendor_error` has them.
    """
    names = _names(version)
    if experimenter is None:
        return names.codes.get((type, code))
    return names.extension_codes.get((experimenter, type, code))


def error_name(version: int, error: Error) -> str | None:
    """The name of what an error message says, an experimenter's too, in whatever form `version` gives it; None where
    it is not known."""
    if (
        version < V12
        and (error.type, error.code) == (NXET_VENDOR, NXVC_VENDOR_ERROR)
        and len(error.data) >= _VENDOR.size
    ):
        experimenter, kind, code = _VENDOR.unpack_from(error.data)
        return code_name(version, kind, code, experimenter)
    return code_name(version, error.type, error.code, error.experimenter)


def error_data(version: int, error: Error) -> bytes:
    """The part of an error's data that comes from the message that failed."""
    if version < V12 and (error.type, error.code) == (NXET_VENDOR, NXVC_VENDOR_ERROR):
        return error.data[_VENDOR.size :]
    return error.data


def error_numbers(version: int, name: str) -> tuple[int, int]:
    """Type and code by which `version` says the error `name`, or, if it has no such code, what comes nearest: another
    version's name of the same, the same trouble with the whole request, and at last OFPBRC_BAD_LEN."""
    numbers = _names(version).numbers
    if name in numbers:
        return numbers[name]
    candidates = _INSTEAD.get(name, ())
    if not name.endswith("_LEN"):
        candidates += _INSTEAD_OF_ALL.get(name.partition("_")[0] + "_", ())
    return next((numbers[other] for other in candidates if other in numbers), numbers["OFPBRC_BAD_LEN"])


def error_message(version: int, name: str, data: bytes = b"") -> Error:
    """The error message that says `name`, with `data` of the message that failed: the standard's code, else Open
    vSwitch's in the form that the version has for it, else what `error_numbers` says."""
    names = _names(version)
    if name in names.numbers or name not in names.extension_numbers:
        return Error(*error_numbers(version, name), data)
    experimenter, kind, code = names.extension_numbers[name]
    if version < V12:
        return Error(NXET_VENDOR, NXVC_VENDOR_ERROR, _VENDOR.pack(experimenter, kind, code) + data)
    return Error(EXPERIMENTER_ERROR, code, data, experimenter)


def code_names(version: int) -> dict[str, tuple[int, int]]:
    """Every standard error code of `version` with its type and code."""
    return dict(_names(version).numbers)
