"""OVSDB framing and sessions, with every way in which a stream can be cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.drivers.ovs.ovsdb import Connection, Notification, ProtocolError, Response, Splitter

# RFC 7047 section 4.1.5 and 4.1.6 in shape; strings with what a careless splitter would count.
MESSAGES = [
    {"id": 1, "result": {"Bridge": {"u1": {"new": {"name": 'br"{[\\', "ports": ["set", []]}}}}, "error": None},
    {"id": None, "method": "update", "params": [None, {"Port": {"u2": {"old": {}, "new": {"name": "}]ä€\u2028"}}}}]},
    {"id": 2, "result": None, "error": {"error": "unknown database", "details": "no database named \\"}},
    {"id": None, "method": "locked", "params": ["x"]},
]
STREAM = b"".join(
    json.dumps(message, ensure_ascii=number % 2 == 0, indent=None if number < 2 else 1).encode() + b" \n" * number
    for number, message in enumerate(MESSAGES)
)
EVENTS = [
    Response(1, MESSAGES[0]["result"], None),
    Notification("update", MESSAGES[1]["params"]),
    Response(2, None, MESSAGES[2]["error"]),
    Notification("locked", ["x"]),
]


def test_events_are_the_same_wherever_the_stream_is_cut_in_two():
    for cut in range(len(STREAM) + 1):
        connection = Connection()
        assert connection.receive(STREAM[:cut]) + connection.receive(STREAM[cut:]) == EVENTS, cut


@pytest.mark.parametrize("size", range(1, 12))
def test_events_are_the_same_in_pieces_of_any_size(size):
    connection = Connection()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in connection.receive(piece)] == EVENTS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(['"', "\\", '\\"{', "]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=4), st.data())
def test_any_objects_in_any_pieces_come_out_whole(objects, data):
    stream = b"".join(json.dumps(object_, ensure_ascii=data.draw(st.booleans())).encode() for object_ in objects)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter = Splitter()
    texts = [
        text
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for text in splitter.feed(stream[start:end])
    ]
    assert [json.loads(text) for text in texts] == objects


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request", b"[]", b'"{}"', b'  {"id": 1} x', b"}", b'{"id": ]}', b'{"id": "\xff"}', b"{1}"],
)
def test_other_protocols_are_refused(data):
    with pytest.raises(ProtocolError, match="not an OVSDB message"):
        Connection().receive(data)


def test_a_message_without_end_is_refused():
    splitter = Splitter(largest=1000)
    assert splitter.feed(b'{"a": "' + b"x" * 900) == []
    with pytest.raises(ProtocolError, match="longer than 1000 bytes"):
        splitter.feed(b"x" * 200)


def test_echo_is_answered_and_other_requests_refused():
    connection = Connection()
    assert (
        connection.receive(b'{"method": "echo", "params": [1, "a"], "id": "echo"}{"method":"steal","params":[],"id":7}')
        == []
    )
    splitter = Splitter()
    assert [json.loads(text) for text in splitter.feed(connection.outgoing())] == [
        {"id": "echo", "result": [1, "a"], "error": None},
        {"id": 7, "result": None, "error": "unknown method"},
    ]
    assert connection.outgoing() == b""


def test_requests_are_numbered():
    connection = Connection()
    assert [connection.request("list_dbs", []), connection.request("echo", ["x"])] == [1, 2]
    assert [json.loads(text) for text in Splitter().feed(connection.outgoing())] == [
        {"method": "list_dbs", "params": [], "id": 1},
        {"method": "echo", "params": ["x"], "id": 2},
    ]
