"""The names of errors, against os-ken's constants and Open vSwitch's readings."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol import errors
from segue.openflow.protocol.basic import Error
from segue.openflow.protocol.errors import (
    code_name,
    code_names,
    error_data,
    error_message,
    error_name,
    error_numbers,
    type_name,
)
from segue.openflow.protocol.extension_errors import TABLE
from segue.openflow.wire import NICIRA, ONF, V10, V11, V12, V13, V14, V15, VERSIONS

from ..oracles import ofctl, osken  # noqa: TID252

FAILED = bytes.fromhex("0410000800000001")
# Open vSwitch calls these as an earlier, or a later, version does; masters and slaves are something else to it.
OTHER_NAMES = {
    "OFPBRC_BAD_MULTIPART": "OFPBRC_BAD_STAT",
    "OFPBRC_BAD_EXPERIMENTER": "OFPBRC_BAD_VENDOR",
    "OFPBRC_BAD_EXP_TYPE": "OFPBRC_BAD_SUBTYPE",
    "OFPBRC_IS_SLAVE": "OFPBRC_IS_SECONDARY",
    "OFPBAC_BAD_EXPERIMENTER": "OFPBAC_BAD_VENDOR",
    "OFPBAC_BAD_EXP_TYPE": "OFPBAC_BAD_VENDOR_TYPE",
    "OFPBAC_BAD_EXPERIMENTER_TYPE": "OFPBAC_BAD_VENDOR_TYPE",
    "OFPBIC_UNSUP_EXP_INST": "OFPBIC_BAD_EXPERIMENTER",
    "OFPFMFC_ALL_TABLES_FULL": "OFPFMFC_TABLE_FULL",
    "OFPTFFC_BAD_TYPE": "OFPBPC_BAD_TYPE",
    "OFPTFFC_BAD_LEN": "OFPBPC_BAD_LEN",
    "OFPTFFC_BAD_ARGUMENT": "OFPBPC_BAD_VALUE",
}


@pytest.mark.parametrize("version", [V10, V12, V13, V14, V15])
def test_as_os_ken_has_them(version: int) -> None:
    if osken.available():
        pytest.skip("os-ken is not installed")
    found = osken.modules(version)
    assert found is not None
    theirs = vars(found[0])
    differ = {name: number for name, (_, number) in code_names(version).items() if theirs.get(name) != number}
    # os-ken 4.2.2 has no IS_SYNC in 1.4, and abbreviates another.
    assert differ.keys() <= {"OFPFMFC_IS_SYNC", "OFPTFFC_BAD_CAPA"}
    prefixes = tuple({name.partition("_")[0] + "_" for name in code_names(version)})
    missing = {name for name in theirs if name.startswith(prefixes)} - code_names(version).keys()
    assert missing <= {"OFPTFFC_BAD_CAP"}
    for number in range(20):
        name = type_name(version, number)
        assert name is None or theirs[name] == number


@pytest.mark.parametrize("version", VERSIONS)
def test_as_open_vswitch_reads_them(version: int) -> None:
    if ofctl.available():
        pytest.skip("ovs-ofctl is not installed")
    names = [*code_names(version), *(line.split(" ")[0] for line in TABLE.strip().splitlines())]
    wanted = [name for name in dict.fromkeys(names) if _has(version, name)]
    assert len(wanted) > 30
    messages = [error_message(version, name, FAILED) for name in wanted]
    texts = ofctl.ofp_print_many([codec.encode(message, 1, version) for message in messages])
    for name, message, text in zip(wanted, messages, texts, strict=True):
        assert error_name(version, message) == name
        assert error_data(version, message) == FAILED
        said = text.partition("\n")[0].rpartition(" ")[2]
        assert said == OTHER_NAMES.get(name, name), text


def _has(version: int, name: str) -> bool:
    return error_name(version, error_message(version, name)) == name


def test_names() -> None:
    assert type_name(V10, 3) == "OFPET_FLOW_MOD_FAILED"
    assert type_name(V11, 3) == "OFPET_BAD_INSTRUCTION"
    assert type_name(V11, 0xFFFF) is None
    assert type_name(V12, 0xFFFF) == "OFPET_EXPERIMENTER"
    assert type_name(V10, 0xB0C2) == "NXET_VENDOR"
    assert code_name(V10, 3, 0) == "OFPFMFC_ALL_TABLES_FULL"
    assert code_name(V13, 13, 3) == "OFPTFFC_BAD_LEN"
    assert code_name(V14, 13, 3) is None
    assert code_name(V13, 0xFFFF, 2300, ONF) == "OFPBFC_UNKNOWN"
    assert code_name(V10, 1, 256, NICIRA) == "NXBRC_NXM_INVALID"
    assert code_name(V13, 0xFFFF, 2, NICIRA) == "NXBRC_NXM_INVALID"
    assert error_name(V13, Error(1, 99)) is None


def test_what_stands_in_for_a_code_that_a_version_has_not() -> None:
    assert error_numbers(V15, "OFPBPC_BAD_LEN") == (14, 1)
    assert error_numbers(V13, "OFPBPC_BAD_LEN") == (13, 3)
    assert error_numbers(V10, "OFPBPC_BAD_LEN") == (1, 6)
    assert error_numbers(V10, "OFPBMC_BAD_LEN") == (1, 6)
    assert error_numbers(V11, "OFPBIC_BAD_LEN") == (1, 6)
    assert error_numbers(V11, "OFPBIC_BAD_EXP_TYPE") == (3, 5)
    assert error_numbers(V10, "OFPBRC_BAD_MULTIPART") == (1, 2)
    assert error_numbers(V15, "OFPBRC_BAD_STAT") == (1, 2)
    assert error_numbers(V10, "OFPBMC_BAD_PREREQ") == (3, 5)
    assert error_numbers(V10, "never heard of") == (1, 6)
    for version in VERSIONS:
        assert error_numbers(version, "OFPBRC_BAD_VERSION") == (1, 0)


def test_every_code_of_the_codec_has_numbers_in_every_version() -> None:
    for version in VERSIONS:
        for other in VERSIONS:
            for name in code_names(other):
                kind, code = error_numbers(version, name)
                assert errors.code_name(version, kind, code) is not None
