"""Named intents, each a small step or a large one from another, for tests that walk between them."""

from __future__ import annotations

from segue.intent import parse
from segue.model.intent import Objects

BASE = """
nodes: [n1, n2, n3]
networks:
  web: {cidr: 10.0.0.0/24, gateway: 10.0.0.254}
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  server: {network: web, node: n3, address: 10.0.0.2}
instances:
  f1: n2
  f2: n2
  f3: n3
"""

TEXTS: dict[str, str] = {
    "nothing": "",
    "one node": "nodes: [n1]",
    "no chain": BASE,
    "one step": BASE + "chains: {loud: {match: {from: client, to: server}, through: [f1]}}",
    "other instance": BASE + "chains: {loud: {match: {from: client, to: server}, through: [f2]}}",
    "group": BASE + "chains: {loud: {match: {from: client, to: server}, through: [[f1, f2, f3]]}}",
    "smaller group": BASE + "chains: {loud: {match: {from: client, to: server}, through: [[f1, f3]]}}",
    "two steps, symmetric": BASE
    + "chains: {loud: {match: {from: client, to: server}, through: [f1, [f2, f3]], symmetric: true}}",
    "labels": BASE
    + "chains: {loud: {match: {from: client, to: server}, through: [f1, f3], symmetric: true, encapsulation: mpls}}",
    "precedence": BASE
    + """
chains:
  loud: {match: {from: client, protocol: udp, destination_ports: 80-90}, through: [f1], precedence: 200}
  quiet: {match: {from: client}, through: [f3, f2], symmetric: true}
""",
    "any port of the network": BASE
    + "chains: {all: {match: {network: web, protocol: tcp, destination_ports: 80}, through: [f3], symmetric: true}}",
    "tap": BASE
    + "groups: {ids: {instances: [f3], tap: true}}\n"
    + "chains: {loud: {match: {from: client, to: server}, through: [f1, ids], symmetric: true}}",
    "tap elsewhere": BASE
    + """
groups: {ids: {instances: [f1], tap: true}}
chains: {loud: {match: {network: web, protocol: udp}, through: [ids, f2, {instances: [f3], tap: true}]}}
""",
    "hash": BASE
    + """
groups: {some: {instances: [f1, f2, f3], hash: [ip_src]}}
chains: {loud: {match: {from: client, to: server}, through: [some], symmetric: true}}
""",
    "graph": BASE
    + """
chains:
  loud: {match: {from: client}, through: [f1], precedence: 200}
  quiet: {match: {to: server, protocol: udp}, through: [f2, f3], precedence: 50}
  all: {match: {network: web, protocol: tcp}, through: [[f2, f3]], precedence: 60}
graphs: {g: {branch: {loud: [quiet, all], quiet: [all]}}}
""",
    "other graph": BASE
    + """
chains:
  loud: {match: {from: client}, through: [f1], precedence: 200, encapsulation: mpls}
  quiet: {match: {to: server, protocol: udp}, through: [{instances: [f2], tap: true}], encapsulation: mpls}
graphs: {g: {branch: {quiet: [loud]}}, h: }
""",
    "moved": BASE.replace("server: {network: web, node: n3", "server: {network: web, node: n1")
    + "chains: {loud: {match: {from: client, to: server}, through: [f1]}}",
    "service": BASE + "services: {s: {hook: ingress, attach: [port/client, port/f1-in]}}",
    "services": BASE.replace("server: {network: web, node: n3", "server: {network: web, node: n2")
    + """
chains: {loud: {match: {from: client, to: server}, through: [f3]}}
services:
  s: {hook: ingress, attach: [network/web], order: 7}
  t: {hook: post-routing, attach: [port/server, network/web]}
  u: {hook: ingress, attach: [port/client], permissions: {drop: true}}
""",
    "services nowhere": BASE.replace("server: {network: web, node: n3,", "server: {network: web,")
    + "services: {s: {hook: egress, attach: [network/web]}, t: {hook: pre-routing, attach: [port/server]}}",
    "routed services": """
nodes: [n1, n2, n3]
networks: {web: {cidr: 10.0.0.0/24, gateway: 10.0.0.254}, db: {cidr: 10.1.0.0/24, gateway: 10.1.0.254}}
routers: {r: [web, db]}
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  server: {network: db, node: n3, address: 10.1.0.2}
services:
  s: {hook: forward, attach: [network/db, router/r]}
  t: {hook: forward, attach: [router/r, port/client], order: 5}
  u: {hook: post-routing, attach: [router/r]}
""",
    "server nowhere": BASE.replace("server: {network: web, node: n3,", "server: {network: web,")
    + "chains: {loud: {match: {from: server, to: client}, through: [f1]}}",
    "routed graph": """
nodes: [n1, n2, n3]
networks: {web: {cidr: 10.0.0.0/24, gateway: 10.0.0.254}, db: {cidr: 10.1.0.0/24, gateway: 10.1.0.254}}
routers: {r: [web, db]}
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  server: {network: db, node: n3, address: 10.1.0.2}
  f1-a: {network: web, node: n2, address: 10.0.0.9}
instances: {f1: {port: f1-a, mode: route}, f2: {node: n3, aware: nsh}}
chains:
  loud: {match: {from: client, to: server}, through: [f1]}
  quiet: {match: {to: server, protocol: udp}, through: [f2], precedence: 50}
graphs: {g: {branch: {loud: [quiet]}}}
""",
    "routed": """
nodes: [n1, n2, n3]
networks:
  web: {cidr: 10.0.0.0/24, gateway: 10.0.0.254}
  db:
    subnets:
      - {cidr: 10.1.0.0/24, gateway: 10.1.0.254}
      - {cidr: "2001:db8:1::/64", gateway: "2001:db8:1::1"}
routers:
  r: {subnets: [web, db, db-2], routes: [{destination: 0.0.0.0/0, via: 10.1.0.2}]}
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  server: {network: db, node: n3, addresses: [10.1.0.2, "2001:db8:1::2"], allowed: [198.51.100.0/24]}
  f1-a: {network: web, node: n2, address: 10.0.0.9}
  f1-b: {network: db, node: n2, address: 10.1.0.9}
instances:
  f1: {ingress: f1-a, egress: f1-b, mode: route}
  f2: {node: n2, aware: nsh, weight: 3}
  f3: {node: n3, arms: 1}
groups:
  last: [f2, f3]
chains:
  loud: {match: {from: client, to: server}, through: [f1, last], symmetric: true}
  frames: {match: {from: client, ethertype: 0x88b5}, through: [f3]}
""",
    "six": """
nodes: {n1: "2001:db8:a::1", n2: "2001:db8:a::2", n3: "2001:db8:a::3"}
networks:
  web: "2001:db8::/64"
ports:
  client: {network: web, node: n1, address: "2001:db8::1", security: false}
  server: {network: web, node: n2, address: "2001:db8::2", mac: 02:00:00:00:00:02}
instances:
  f1: {node: n3, aware: mpls}
chains:
  loud: {match: {from: 2001:db8::/64, protocol: icmp}, through: [f1], encapsulation: mpls, symmetric: true}
""",
}


def objects(name: str) -> Objects:
    return dict(parse(TEXTS[name], name).objects) if TEXTS[name] else {}
