"""The part of the native API's description that is about injected services."""

from __future__ import annotations

from segue.api import service_bodies as bodies
from segue.api.description_parts import answer, operation, waiting
from segue.api.openapi import Json, in_path, json_body, query, ref
from segue.intent.values import NAME_PATTERN
from segue.model.stages import SERVICE_TABLES

STRUCTS = (
    bodies.AttachBody,
    bodies.ControllerBody,
    bodies.FlowsBody,
    bodies.MessagesBody,
    bodies.NewToken,
    bodies.ServiceBody,
    bodies.TokenBody,
    bodies.UnconfirmedBody,
)
REGISTRATION: Json = {"name": "ips", "hook": "ingress", "attach": ["port/client"], "permissions": {"drop": True}}
FLOW: Json = {"priority": 10, "match": {"eth_type": 0x800, "ipv4_src": "10.0.0.66"}}
STREAM = """\
event: packet-in
data: {"version":"1.5","type":"OFPT_PACKET_IN","xid":0,"reason":"OFPR_ACTION","match":{"in_port":1},"data":"..."}

event: lost
data: {"count":3}
"""
_TABLE: Json = {"type": "integer", "minimum": 0, "maximum": SERVICE_TABLES - 1}


def paths() -> Json:
    name = in_path("name", pattern=NAME_PATTERN) | {"example": "ips"}
    return {
        "/v1/services": _collection(),
        "/v1/services/{name}": {"parameters": [name], **_one()},
        "/v1/services/{name}/attach": {
            "parameters": [name],
            "put": operation(
                "attachService",
                "services",
                "Attach the service to these elements, and to no others",
                {200: _service()},
                (404, 409, 413),
                [waiting(0)],
                json_body(ref("AttachBody"), example={"attach": ["port/client", "network/web"]}),
            ),
        },
        "/v1/services/{name}/token": {"parameters": [name], **_token()},
        "/v1/services/{name}/controller": {"parameters": [name], **_controller()},
        "/v1/services/{name}/flows": {"parameters": [name], **_flows()},
        "/v1/services/{name}/flows/{table}": {
            "parameters": [name, {"name": "table", "in": "path", "required": True, "schema": _TABLE, "example": 0}],
            "put": operation(
                "putServiceTable",
                "services",
                "Have a table of the virtual switch hold these flows, and no others. The same again changes nothing",
                {200: answer("The table's flows.", ref("FlowsBody"))},
                (404, 409, 413),
                [waiting(10)],
                json_body(ref("FlowsBody"), example={"flows": [FLOW]}),
            ),
        },
        "/v1/services/{name}/messages": {
            "parameters": [name],
            "post": operation(
                "sendServiceMessages",
                "services",
                "Have the virtual switch carry out OpenFlow messages, all or none: flow, group and meter mods in their "
                "order, and packet-outs behind all of them, in theirs",
                {200: answer("What was carried out.", ref("MessagesBody"))},
                (404, 409, 413),
                [waiting(10)],
                json_body(ref("MessagesBody"), example={"messages": [{"type": "OFPT_FLOW_MOD", **FLOW}]}),
            ),
        },
        "/v1/services/{name}/packet-ins": {
            "parameters": [name],
            "get": operation(
                "followPacketIns",
                "services",
                "What controllers get as packet-ins, from now on",
                {
                    200: {
                        "description": "Server-sent events without end: `packet-in`, with the message as data, and "
                        "`lost`, with how many came too fast for this reader.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM}},
                    }
                },
                (404,),
            ),
        },
    }


def _service(about: str = "How it is.") -> Json:
    return answer(about, ref("ServiceBody"))


def _collection() -> Json:
    return {
        "get": operation(
            "listInjected",
            "services",
            "The services that the caller may see, in the order of their names",
            {200: answer("How they are.", {"type": "array", "items": ref("ServiceBody")})},
            (),
        ),
        "post": operation(
            "registerService",
            "services",
            "Register a service, of the caller's project unless the caller is an administrator",
            {201: _service("It is registered.")},
            (409, 413),
            [waiting(0)],
            json_body(ref("ServiceRegistered"), example=REGISTRATION),
        ),
    }


def _one() -> Json:
    return {
        "get": operation("getInjected", "services", "How a service is", {200: _service()}, (404,)),
        "delete": operation(
            "deregisterService",
            "services",
            "Delete a service, with all that it has set up",
            {
                204: {"description": "It is gone; and where `wait` was given, from every node."},
                202: answer("It is gone, and these nodes have not confirmed it in time.", ref("UnconfirmedBody")),
            },
            (404, 409),
            [waiting(0)],
        ),
    }


def _token() -> Json:
    return {
        "post": operation(
            "makeServiceToken",
            "services",
            "Make a new token, which is shown this once; the one before holds no more",
            {201: answer("The token.", ref("NewToken"))},
            (404, 413),
            [],
            {
                "content": {
                    "application/json": {"schema": ref("TokenBody"), "example": {"expires_in": 2_592_000}},
                }
            },
        ),
        "delete": operation(
            "revokeServiceToken",
            "services",
            "Revoke the token, and remove all that came by it: flows, groups, meters, the controller",
            {
                204: {"description": "Nothing of it is left, on any node."},
                202: answer(
                    "The token holds no more. These nodes have not confirmed in time that what came by it is gone: "
                    "flows may be in force there yet. Nodes without an agent are not waited for.",
                    ref("UnconfirmedBody"),
                ),
            },
            (404, 409),
            [waiting(10)],
        ),
    }


def _controller() -> Json:
    return {
        "put": operation(
            "connectController",
            "services",
            "Register the controller that the virtual switch calls, or is called by",
            {200: _service()},
            (404, 409, 413),
            [],
            json_body(ref("ControllerBody"), example={"target": "tcp:192.0.2.9:6653", "versions": ["1.3"]}),
        ),
        "delete": operation(
            "disconnectController",
            "services",
            "Have no controller any more; flows stay",
            {204: {"description": "There is none."}},
            (404, 409),
        ),
    }


def _flows() -> Json:
    return {
        "get": operation(
            "getServiceFlows",
            "services",
            "The virtual switch's flows, as flow mods that would add them, with what they have counted on all nodes",
            {200: answer("By table and falling priority.", ref("FlowsBody"))},
            (404,),
            [query("table", _TABLE, "Of this table only.")],
        )
    }
