"""What the commands of ``segue service`` do."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from segue.cli import output
from segue.cli.client import Client, part
from segue.cli.errors import Mistake
from segue.cli.identity import identity
from segue.cli.tables import Cell, table
from segue.cli.terminal import complain, plain

WAIT = 10.0
"""Seconds that flows may take to be in force."""


def _client(args: argparse.Namespace) -> Client:
    return Client(args.server, identity(args))


def _path(args: argparse.Namespace, *more: str) -> str:
    return "/".join(["/v1/services", part(args.name), *more])


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def create(args: argparse.Namespace) -> int:
    body: dict[str, Any] = {"name": args.name, "hook": args.hook, "attach": args.attach}
    permissions: dict[str, Any] = dict.fromkeys(args.permit, True)
    if args.rewrite:
        permissions["rewrite"] = args.rewrite
    given = {
        "permissions": permissions or None,
        "order": args.order,
        "flows": args.flows,
        "packet_ins": args.packet_ins,
        "copies": args.copies,
        "project": args.project,
    }
    body |= {name: value for name, value in given.items() if value is not None}
    made = _client(args).post("/v1/services", _encoded(body), "application/json")
    if args.output != "text":
        output.show(made, args.output)
    else:
        print(f"service {args.name} is registered at hook {made['hook']}, {_attached(made)}")
        print(f"its token: segue service token {args.name}")
    return 0


def attach(args: argparse.Namespace) -> int:
    made = _client(args).put(_path(args, "attach"), _encoded({"attach": args.elements}))
    print(f"service {args.name} is {_attached(made)}")
    return 0


def _attached(service: dict[str, Any]) -> str:
    return f"attached to {', '.join(service['attach'])}" if service["attach"] else "attached to nothing"


def token(args: argparse.Namespace) -> int:
    body = {}
    if args.expires is not None:
        from segue.api.tokens import seconds

        span = seconds(args.expires)
        if span is None:
            raise Mistake(f"{args.expires!r} is no span of time; write 30d, 12h or 90m")
        body["expires_in"] = span
    made = _client(args).post(_path(args, "token"), _encoded(body), "application/json")
    print(made["token"])
    sys.stdout.flush()
    until = f"until {_time(made['expires'])}" if made["expires"] is not None else "until it is revoked"
    print(f"token {made['number']} of service {args.name} holds {until}; it is not shown again", file=sys.stderr)
    return 0


def revoke(args: argparse.Namespace) -> int:
    said = _client(args).delete(_path(args, "token"), wait=WAIT)
    if said is None:
        print(f"the token of service {args.name} is revoked, and its flows are removed")
        return 0
    print(f"the token of service {args.name} is revoked")
    return _unconfirmed(said)


def _unconfirmed(said: dict[str, Any]) -> int:
    """The exit status of what is done, but not in force on every node."""
    complain(
        f"its flows may still be in force. These have not confirmed that they are gone:\n{_lines(said['waiting'])}"
    )
    return 1


def _lines(reasons: list[str]) -> str:
    return "\n".join(f"  {plain(reason)}" for reason in reasons)


def list_(args: argparse.Namespace) -> int:
    found = _client(args).get("/v1/services")
    if args.output != "table":
        output.show(found, args.output)
    elif not found:
        print("no services; register one with `segue service create`")
    else:
        from segue.cli.terminal import coloured

        header = ["NAME", "HOOK", "ORDER", "PROJECT", "ATTACHED", "FLOWS", "CONTROLLER", "TOKEN", "TROUBLE"]
        print(table(header, [_row(one) for one in found], coloured(sys.stdout)))
    return 0


def _row(one: dict[str, Any]) -> list[Cell]:
    controller, token = _controller(one), one["token"]["state"] if one["token"] else "none"
    trouble = "; ".join(_trouble(one))
    return [
        one["name"],
        one["hook"],
        one["order"],
        one["project"],
        ", ".join(one["attach"][:3]) + (f", and {len(one['attach']) - 3} more" if len(one["attach"]) > 3 else ""),
        f"{one['flows']}/{one['quota']}",
        (controller, "green" if controller.startswith("connected") else ""),
        (token, {"valid": "green", "expired": "red", "revoked": "red"}.get(token, "")),
        (trouble, "red"),
    ]


def _controller(one: dict[str, Any]) -> str:
    controller = one["controller"]
    if controller is None:
        return "none"
    if controller["connected"]:
        return f"connected: {', '.join(controller['connected'])}"
    waits = controller["target"].startswith("p")
    return f"{'waits at' if waits else 'calls'} {controller['address'] or controller['target']}"


def _trouble(one: dict[str, Any]) -> list[str]:
    found = [*one["refused"], *one["failing"]]
    if one["controller"] is not None and one["controller"]["trouble"] and not one["controller"]["connected"]:
        found.append(f"controller: {one['controller']['trouble']}")
    if one["lost"]:
        found.append(f"{one['lost']} packet-ins lost")
    if one["unsent"]:
        found.append(f"{one['unsent']} packet-outs lost")
    return found


def show(args: argparse.Namespace) -> int:
    one = _client(args).get(_path(args))
    if args.output != "text":
        output.show(one, args.output)
        return 0
    allowed = [name for name, given in one["permissions"].items() if given is True]
    allowed += [f"rewrite {', '.join(fields)}" for fields in [one["permissions"].get("rewrite")] if fields]
    token = one["token"]
    lines = {
        "service": one["name"] + (f", of project {one['project']}" if one["project"] else ""),
        "hook": f"{one['hook']}, order {one['order']}",
        "packets have been through": one["been"],
        "and have yet to come to": one["to_come"],
        "attached to": ", ".join(one["attach"]) or "nothing",
        "may": ", ".join(allowed) or "let packets go on",
        "datapath id": one["datapath_id"],
        "flows": f"{one['flows']} of at most {one['quota']}; {one['groups']} groups, {one['meters']} meters",
        "packet-ins": f"at most {one['packet_ins']} a second from each node; {one['lost']} lost",
        "copies": f"at most {one['copies']} a second on each node",
        "controller": _controller(one),
        "token": f"number {token['number']}, {token['state']}{_until(token)}" if token else "none",
        "on nodes": ", ".join(one["nodes"]),
        "trouble": "; ".join(_trouble(one)),
    }
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {plain(text)}" for name, text in lines.items() if text))
    if one["ports"]:
        rows: list[list[Cell]] = [
            [port["number"], f"{port['kind']}/{port['name']}", port["mac"], port["node"]] for port in one["ports"]
        ]
        print("\n" + table(["PORT", "ELEMENT", "MAC", "NODE"], rows))
    return 0


def _until(token: dict[str, Any]) -> str:
    return (
        f", {'until' if token['state'] == 'valid' else 'since'} {_time(token['expires'])}" if token["expires"] else ""
    )


def _time(seconds: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"


def delete(args: argparse.Namespace) -> int:
    client = _client(args)
    status = 0
    for name in dict.fromkeys(args.names):
        said = client.delete(f"/v1/services/{part(name)}", wait=WAIT)
        print(f"service {name} is deleted")
        if said is not None:
            status = _unconfirmed(said)
    return status


def connect(args: argparse.Namespace) -> int:
    client = _client(args)
    if args.target == "none":
        client.delete(_path(args, "controller"))
        print(f"service {args.name} has no controller")
        return 0
    body = {"target": args.target, "versions": args.versions, "name": args.peer}
    made = client.put(_path(args, "controller"), _encoded(body))
    print(f"service {args.name} {plain(_controller(made))}")
    if made["token"] is None or made["token"]["state"] != "valid":
        print(f"segue: it has no token that holds, and is connected with one alone: segue service token {args.name}")
    return 0


def flows(args: argparse.Namespace) -> int:
    client = _client(args)
    if args.put is None:
        found = client.get(_path(args, "flows"), table=args.table)
    else:
        whole = {"flows": _read(args.put)}
        found = client.put(_path(args, "flows", str(args.table or 0)), _encoded(whole), wait=WAIT)
    if args.output != "table":
        output.show(found, args.output)
    elif args.put is not None:
        count = len(found["flows"])
        print(f"table {args.table or 0} of service {args.name} holds {count} flow{'' if count == 1 else 's'}")
    elif not found["flows"]:
        print("no flows: packets go on as if the service were not there")
    else:
        from segue.cli import service_words as words

        header = ["TABLE", "PRIORITY", "PACKETS", "BYTES", "AGE", "MATCH", "ACTIONS", "BESIDES"]
        rows: list[list[Cell]] = [
            [
                one["table_id"],
                one["priority"],
                one["packet_count"],
                one["byte_count"],
                f"{one['duration']:.0f}s",
                words.match(one["match"]),
                words.instructions(one["instructions"]),
                words.extras(one),
            ]
            for one in found["flows"]
        ]
        print(table(header, rows))
    return 0


def _read(name: str) -> list[Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"cannot read {name}: {getattr(error, 'strerror', '') or error}") from None
    import yaml

    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Mistake(f"{name} is neither JSON nor YAML: {' '.join(str(error).split())[:200]}") from None
    flows = found.get("flows") if isinstance(found, dict) else found
    if not isinstance(flows, list) or not all(isinstance(one, dict) for one in flows):
        raise Mistake(f'{name} has no list of flows; write [{{"priority": 1, "match": {{...}}}}, ...]')
    return flows


def packets(args: argparse.Namespace) -> int:
    from segue.cli import service_words as words
    from segue.cli.watch import SILENCE, events

    for event in events(_client(args).lines(_path(args, "packet-ins"), SILENCE, {})):
        if event is None:
            continue
        if args.output == "json":
            print(output.shown(json.dumps({"event": event.what, **event.data}, ensure_ascii=False)), flush=True)
        elif event.what == "lost":
            complain(f"{event.data['count']} packets came too fast to be shown")
        else:
            print(plain(words.packet(event.data)), flush=True)
    return 0
