"""What JSON and people say: lossless both ways, strict about nonsense, and described by its own schema."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.openflow import match as codec
from segue.openflow.field_text import (
    json_schema_of_match,
    match_from_json,
    match_to_json,
    value_from_json,
    value_to_json,
)
from segue.openflow.wire import V10, V11, V12, V13, V15, VERSIONS, EncodeError, ProtocolError

from .test_match import matches
from .test_match_fixed import structs

SCHEMA = jsonschema.Draft202012Validator(json_schema_of_match())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("in_port", 7, 7),
        ("eth_dst", 1, "00:00:00:00:00:01"),
        ("eth_dst", (1 << 40, 1 << 40), "01:00:00:00:00:00/01:00:00:00:00:00"),
        ("ipv4_src", 0x0A000001, "10.0.0.1"),
        ("ipv4_src", (0x0A000000, 0xFF000000), "10.0.0.0/8"),
        ("ipv4_src", (0, 0), "0.0.0.0/0"),
        ("ipv4_src", (5, 0xFFFFFFFF), "0.0.0.5/32"),
        ("ipv4_src", (1, 0xFF), "0.0.0.1/0.0.0.255"),
        ("ipv6_src", 1, "::1"),
        ("ipv6_dst", (0x20010DB8 << 96, 0xFFFFFFFF << 96), "2001:db8::/32"),
        ("ipv6_dst", (1, 1), "::1/::1"),
        ("metadata", 1 << 53, 1 << 53),
        ("metadata", (1 << 53) + 1, "0x20000000000001"),
        ("reg0", (1, 3), {"value": 1, "mask": 3}),
        ("ct_label", (1, (1 << 128) - 1), {"value": 1, "mask": "0x" + 32 * "f"}),
        ("nw_src", 1, "0.0.0.1"),
        ("dl_src", 1, "00:00:00:00:00:01"),
        ("nxm_of_eth_dst", 1, "00:00:00:00:00:01"),
        ("oxm:8000:63:5", 5, 5),
        ("tun_metadata0:4", 5, 5),
    ],
)
def test_values(name, value, said):
    assert value_to_json(name, value) == said
    assert value_from_json(name, said) == value


@pytest.mark.parametrize(
    ("name", "said", "value"),
    [
        ("eth_src", "0-1-2-a-B-ff", 0x0001020A0BFF),
        ("eth_src", "00:00:00:00:00:01/ff:ff:ff:00:00:00", (1, 0xFFFFFF000000)),
        ("ipv4_src", "10.0.0.0/255.0.0.0", (0x0A000000, 0xFF000000)),
        ("ipv4_src", 5, 5),
        ("eth_type", "0x0800", 0x800),
        ("eth_type", "2048", 2048),
        ("tcp_src", "80/0xfff0", (80, 0xFFF0)),
        ("reg0", {"mask": "0xf", "value": 1}, (1, 15)),
        ("ipv6_src", "::ffff:1.2.3.4", 0xFFFF01020304),
        ("in_port", "OFPP_CONTROLLER", 0xFFFFFFFD),
        ("in_port", "CONTROLLER", 0xFFFFFFFD),
        ("oxm_of_in_port", "OFPP_LOCAL", 0xFFFFFFFE),
        ("in_phy_port", "OFPP_ANY", 0xFFFFFFFF),
    ],
)
def test_what_people_may_say_besides(name, said, value):
    assert value_from_json(name, said) == value


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(
            ("in_port", said)
            for said in ("", "x", "-1", "1_0", "١", "1/", "/1", 1.0, True, None, [1], {}, {"value": 1})
        ),
        *(("in_port", said) for said in ({"value": 1, "mask": 1, "x": 1}, {"value": "1/1", "mask": 1}, "0x", " 1")),
        *(("eth_src", said) for said in ("00:00:00:00:00", "00:00-00:00:00:00", "00:00:00:00:00:00:00", "::1")),
        *(("ipv4_src", said) for said in ("10.0.0", "10.0.0.256", "10.0.0.1/33", "10.0.0.1/-1", "::1", "1.2.3.4\n")),
        *(("ipv6_src", said) for said in ("1.2.3.4", "::1%eth0", "::1/129", ":::")),
        ("nonsense", "1"),
        ("reg0", "OFPP_CONTROLLER"),
        ("in_port", "OFPP_NOTHING"),
    ],
)
def test_nonsense(name, said):
    with pytest.raises(EncodeError):
        value_from_json(name, said)


@pytest.mark.parametrize(("version", "text"), [(v, t) for v in VERSIONS for t in ("OFPP_CONTROLLER", "OFPP_LOCAL")])
def test_reserved_ports_have_names_in_every_version(version, text):
    said = {"in_port": text}
    number = {"OFPP_CONTROLLER": 0xFFFFFFFD, "OFPP_LOCAL": 0xFFFFFFFE}[text]
    assert match_from_json(said, version) == {"in_port": number}
    SCHEMA.validate(said)


@pytest.mark.parametrize(("name", "value"), [("eth_src", 1 << 48), ("ipv4_src", -1), ("ipv6_src", (1, 1 << 128))])
def test_numbers_that_are_no_address(name, value):
    with pytest.raises(EncodeError):
        value_to_json(name, value)


@given(matches(), st.sampled_from((0, V12, V13, V15)))
def test_matches_are_lossless(match, version):
    said = json.loads(json.dumps(match_to_json(match, version)), parse_int=float)  # a reader that has doubles alone
    whole = json.loads(json.dumps(said), parse_float=lambda text: int(float(text)))
    assert match_from_json(whole, version) == match
    SCHEMA.validate(match_to_json(match, version))


@given(st.data(), st.sampled_from((V10, V11)))
def test_struct_matches_are_lossless(data, version):
    octets = data.draw(structs(version))
    try:
        match, _ = codec.decode_match(octets, 0, len(octets), version)
    except ProtocolError:
        return
    said = match_to_json(match, version)
    assert match_from_json(json.loads(json.dumps(said)), version) == match
    SCHEMA.validate(said)


def test_struct_matches_have_their_specification_s_names():
    match = {"eth_src": 1, "vlan_vid": 0x1005, "eth_type": 0x800, "ip_proto": 6, "ipv4_src": 1, "tcp_dst": 80}
    said = {"dl_src": "00:00:00:00:00:01", "dl_vlan": 5, "dl_type": 0x800, "nw_proto": 6, "nw_src": "0.0.0.1"}
    said["tp_dst"] = 80
    assert match_to_json(match, V10) == said
    assert match_from_json(said, V10) == match
    assert match_from_json(match_to_json(match, V13), V10) == match
    with pytest.raises(EncodeError, match="use eth_src"):
        match_from_json(said, V13)
    with pytest.raises(EncodeError):
        match_to_json({"ipv6_src": 1}, V10)


@pytest.mark.parametrize("said", [[], "x", None, {"nonsense": 1}, {"in_port": None}])
def test_matches_that_are_none(said):
    with pytest.raises(EncodeError):
        match_from_json(said, V13)


def test_the_schema_is_one_and_refuses():
    schema = json_schema_of_match()
    jsonschema.Draft202012Validator.check_schema(schema)
    json.dumps(schema)
    for wrong in ({"nonsense": 1}, {"in_port": -1}, {"in_port": 1 << 32}, {"reg0": {"value": 1}}, {"in_port": "x"}, []):
        assert not SCHEMA.is_valid(wrong), wrong
    for right in ({"dl_src": "00:00:00:00:00:01"}, {"tp_src": 5}, {"reg0": "0x5/0xf"}, {"oxm:1:2:3": 4}):
        SCHEMA.validate(right)
