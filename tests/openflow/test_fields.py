"""The table itself: no identity twice, prerequisites above what needs them, and Open vSwitch's own choice of names."""

import pytest

from segue.openflow.fields import FIELDS, NXM, RANK, foreign_name, in_order, lookup
from segue.openflow.wire import V10, V12, V13, V14, V15


def test_every_identity_stands_for_one_field():
    headers = [
        (identity.header(field.size), identity.spec) for field in FIELDS.values() for identity in field.identities
    ]
    assert len({header for header, _ in headers}) == len(headers)
    assert len({spec for _, spec in headers}) == len(headers)
    assert not {spec.lower() for _, spec in headers} & FIELDS.keys()


def test_what_a_field_needs_stands_above_it():
    for field in FIELDS.values():
        for need, values in field.prerequisites:
            assert RANK[need] < RANK[field.name]
            assert all(value <= FIELDS[need].limit for value in values)


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_shapes(field):
    assert 0 < field.bits <= 8 * field.size
    assert field.size <= 124
    assert field.identities
    assert {"mac": 48, "ipv4": 32, "ipv6": 128}.get(field.kind, field.bits) == field.bits


@pytest.mark.parametrize(
    ("name", "version", "spec"),
    [
        ("eth_dst", NXM, "NXM_OF_ETH_DST"),
        ("eth_dst", V10, "NXM_OF_ETH_DST"),
        ("eth_dst", V12, "OXM_OF_ETH_DST"),
        ("tcp_flags", NXM, "NXM_NX_TCP_FLAGS"),
        ("tcp_flags", V12, "NXM_NX_TCP_FLAGS"),
        ("tcp_flags", V13, "ONFOXM_ET_TCP_FLAGS"),
        ("tcp_flags", V14, "ONFOXM_ET_TCP_FLAGS"),
        ("tcp_flags", V15, "OXM_OF_TCP_FLAGS"),
        ("actset_output", NXM, "ONFOXM_ET_ACTSET_OUTPUT"),
        ("actset_output", V15, "OXM_OF_ACTSET_OUTPUT"),
        ("pbb_uca", V13, "ONFOXM_ET_PBB_UCA"),
        ("pbb_uca", V14, "OXM_OF_PBB_UCA"),
        ("tunnel_id", V12, "NXM_NX_TUN_ID"),
        ("tunnel_id", V13, "OXM_OF_TUNNEL_ID"),
        ("dp_hash", NXM, "NXM_NX_DP_HASH"),
        ("dp_hash", V13, "NXOXM_ET_DP_HASH"),
        ("packet_type", V12, "OXM_OF_PACKET_TYPE"),
        ("reg16", V15, "NXOXM_ET_REG16"),
        ("xxreg7", NXM, "NXOXM_ET_XXREG7"),
    ],
)
def test_the_canonical_identity(name, version, spec):
    assert FIELDS[name].canonical(version).spec == spec


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("oxm_of_in_port", "80000004"),
        ("nxm_nx_reg0", "00010004"),
        ("nxm_nx_ct_label", "0001d810"),
        ("oxm_of_pkt_reg7", "80010e08"),
        ("nxoxm_nsh_spi", "ffff0808005ad650"),
        ("nxoxm_et_reg31", "ffff400800002320"),
        ("onfoxm_et_pbb_uca", "ffff00074f4e46000a00"),
        ("onfoxm_et_pbb_uca_41", "ffff52074f4e46000000"),
        ("ericoxm_of_icmpv6_nd_options_type", "10000401"),
    ],
)
def test_headers(name, header):
    field, identity = lookup(name)
    assert identity.header(field.size).hex() == header


def test_names_of_fields_outside_of_the_table():
    assert foreign_name(0x8000, 99, 5) == "oxm:8000:63:5"
    assert foreign_name(0xFFFF, 1, 4, 0xABC) == "oxm:ffff:1:4:abc"
    field, identity = lookup("oxm:ffff:1:4:abc")
    assert identity.header(field.size, masked=True).hex() == "ffff030c00000abc"
    field, identity = lookup("tun_metadata7:4")
    assert (field.bits, identity.header(field.size).hex()) == (32, "00015e04")


@pytest.mark.parametrize(
    "name",
    [
        *("", "dl_src", "ETH_DST", "oxm", "oxm:1:2", "oxm:ffff:1:4", "oxm:8000:1:4:5", "oxm:8000:80:4", "oxm:-1:1:1"),
        *("oxm:10000:1:1", "oxm:8000:1:100", "oxm:ffff:1:fc:1", "oxm:8000:0x1:4", "oxm: 1:1:1", "tun_metadata64:4"),
        *("tun_metadata1:0", "tun_metadata1:125", "reg0:4", "oxm:8000:1:4\n", "tun_metadata1:٤"),
    ],
)
def test_names_that_no_field_has(name):
    assert lookup(name) is None


def test_order():
    assert in_order(("reg0", "eth_type", "eth_dst")) == ("reg0", "eth_type", "eth_dst")
    assert in_order(("ipv4_src", "in_port", "eth_type")) == ("in_port", "eth_type", "ipv4_src")
    assert in_order(("nxm_of_ip_src", "nxm_of_eth_type")) == ("nxm_of_eth_type", "nxm_of_ip_src")
    assert in_order(("oxm:1:2:3", "tcp_src", "ip_proto")) == ("ip_proto", "tcp_src", "oxm:1:2:3")
