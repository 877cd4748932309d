"""Every message names the file, the line, the object, what is wrong and what to write instead."""

import pytest

from segue import intent

LONG = "a" * 10_000


def problems(text: bytes | str) -> list[intent.Problem]:
    with pytest.raises(intent.IntentError) as caught:
        intent.parse(text, "t.yaml")
    return caught.value.problems


def message(text: bytes | str) -> str:
    found = problems(text)
    assert len(found) == 1, found
    return str(found[0])


CASES = {
    # keys and fields
    "node: {n1: 192.0.2.1}": 't.yaml:1: there is no key "node"; did you mean nodes?',
    "ports: {p: {nodes: n1}}": 't.yaml:1: port "p": there is no field "nodes"; did you mean node?',
    "chains:\n c:\n  match: x\n  trough: [a]\n  through: [a]": (
        't.yaml:4: chain "c": there is no field "trough"; did you mean through?'
    ),
    "segue: 2": "t.yaml:1: segue is \"2\", a format that is not known here; write segue: 1",
    "- a": "t.yaml:1: an intent is a mapping, not a list; write a mapping with some of nodes, networks, subnets, "
    "routers, ports, instances, groups, classifiers, chains, graphs, services, lab",
    "ports: [a]": "t.yaml:1: ports is a list; write a mapping of names to ports",
    "ports: {p: x}": 't.yaml:1: port "p": a port is not "x"; write {network: NAME, node: NAME, address: 10.0.0.10}',
    # twice
    "ports:\n  p:\n  q:\n  p:": 't.yaml:4: port "p": key "p" stands here a second time (see line 2); keep one',
    "ports:\n  p:\n---\nports:\n  p:": (
        't.yaml:5: port "p": port "p" is declared twice (see line 2); rename or remove one'
    ),
    "networks:\n  web: 10.0.0.0/24\nsubnets:\n  web: {network: web, cidr: 10.0.1.0/24}": (
        't.yaml:4: subnet "web": subnet "web" is declared twice (see line 2); rename or remove one'
    ),
    '{"ports": {"p": {"node": "a",\n"node": "b"}}}': (
        't.yaml:2: port "p": key "node" stands here a second time (see line 1); keep one'
    ),
    "nodes:\n  a: 192.0.2.1\n  b: 192.0.2.1": (
        't.yaml:3: node "b": address 192.0.2.1 is that of node "a" too (see line 2); give each node its own'
    ),
    "lab:\n---\nlab: {}\n---\nlab: {}": "t.yaml:5: lab: there are two lab sections (see line 3); keep one",
    "groups: {g: [a, b, a]}": 't.yaml:1: group "g": instances has "a" twice, at 1 and 3; keep one',
    "ports: {p: {network: w, addresses: ['::1:2', '0::1:2']}}": (
        't.yaml:1: port "p": addresses has "0::1:2" twice, at 1 and 2; keep one'
    ),
    # graphs
    "graphs:\n g:\n  branch: [a]": (
        't.yaml:3: graph "g": branch is a list; write chains by chain: {FIRST: [SECOND, THIRD]}'
    ),
    "graphs:\n g:\n  branch:\n   a: b": (
        't.yaml:3: graph "g": branch item 1 into must be a list, not "b"; write [b]'
    ),
    "graphs:\n g:\n  branches:\n  - {chain: a, into: []}": (
        't.yaml:4: graph "g": branches item 1 into is empty; write at least 1'
    ),
    "graphs: {g: {branch: {}, branches: []}}": 't.yaml:1: graph "g": branch and branches say the same thing; keep one',
    # services
    "services: {s: {attach: [port/p]}}": (
        't.yaml:1: service "s": has no hook; write hook: ingress or pre-routing or forward or post-routing or egress'
    ),
    "services: {s: {hook: postrouting}}": 't.yaml:1: service "s": hook is "postrouting"; did you mean post-routing?',
    "services: {s: {hook: input}}": (
        't.yaml:1: service "s": hook is "input"; write ingress or pre-routing or forward or post-routing or egress'
    ),
    "services: {s: ingress}": (
        't.yaml:1: service "s": a service is not "ingress"; write {hook: ingress, attach: [port/NAME]}'
    ),
    "services:\n s:\n  hook: ingress\n  attach: [port/p, vm1]": (
        't.yaml:4: service "s": attach item 2 is "vm1", which does not say of which kind; '
        "write port/vm1 or network/vm1 or router/vm1"
    ),
    "services: {s: {hook: ingress, attach: [ports/p]}}": (
        't.yaml:1: service "s": attach item 1 is "ports/p", and no service is attached to that kind; did you mean port?'
    ),
    "services: {s: {hook: ingress, attach: [chain/c]}}": (
        't.yaml:1: service "s": attach item 1 is "chain/c", and no service is attached to that kind; '
        "write port/NAME or network/NAME or router/NAME"
    ),
    "services: {s: {hook: ingress, attach: [port/-]}}": (
        't.yaml:1: service "s": attach item 1 is "port/-", whose name is "-", which is no name; '
        "write 1 to 63 letters, digits, . _ and -, starting with a letter or digit"
    ),
    "services: {s: {hook: ingress, attach: port/p}}": (
        't.yaml:1: service "s": attach must be a list, not "port/p"; write [port/p]'
    ),
    "services: {s: {hook: ingress, attach: [port/p, network/p, port/p]}}": (
        't.yaml:1: service "s": attach has "port/p" twice, at 1 and 3; keep one'
    ),
    "services:\n s:\n  attach: [network/n, router/r]\n  hook: egress": (
        't.yaml:3: service "s": attach has router "r", while hook egress is where packets meet a port; '
        "write hook: pre-routing or forward or post-routing, or attach networks of the router"
    ),
    "services: {s: {hook: ingress, order: 30001}}": (
        't.yaml:1: service "s": order is 30001; write a number from 0 to 30000'
    ),
    "services: {s: {hook: ingress, flows: -1}}": (
        't.yaml:1: service "s": flows is -1; write a number from 0 to 1000000'
    ),
    "services: {s: {hook: ingress, packet_ins: many}}": (
        't.yaml:1: service "s": packet_ins is "many"; write a whole number from 0 to 2000'
    ),
    "services: {s: {hook: ingress, packet_ins: 2001}}": (
        't.yaml:1: service "s": packet_ins is 2001; write a number from 0 to 2000'
    ),
    "services: {s: {hook: ingress, permissions: [drop]}}": (
        't.yaml:1: service "s": permissions must be a mapping, not a list; '
        "write {drop: true, mark: true, rewrite: [ipv4_dst]}"
    ),
    "services:\n s:\n  hook: ingress\n  permissions:\n   dorp: true": (
        't.yaml:5: service "s": permissions has no field "dorp"; did you mean drop?'
    ),
    "services: {s: {hook: ingress, permissions: {everything: true}}}": (
        't.yaml:1: service "s": permissions has no field "everything"; '
        "it has drop, mark, meter, queue, redirect, copy, packet_in, rewrite"
    ),
    "services: {s: {hook: ingress, permissions: {drop: 'yes'}}}": (
        't.yaml:1: service "s": permissions drop is "yes"; write true or false, without quotes'
    ),
    "services: {s: {hook: ingress, permissions: {rewrite: [ipv4_dest]}}}": (
        't.yaml:1: service "s": permissions rewrite item 1 is "ipv4_dest"; did you mean ipv4_dst?'
    ),
    "services: {s: {hook: ingress, permissions: {rewrite: [vlan, vlan]}}}": (
        't.yaml:1: service "s": permissions rewrite has "vlan" twice, at 1 and 2; keep one'
    ),
    "services: {s: {hook: forward, permissions: {rewrite: [ipv4_src]}}}": (
        't.yaml:1: service "s": permissions cannot let it rewrite ipv4_src at hook forward, behind the proof of source '
        "addresses; write hook: ingress or egress, or remove it"
    ),
    "services: {s: {hook: pre-routing, permissions: {rewrite: [eth_src]}}}": (
        't.yaml:1: service "s": permissions cannot let it rewrite eth_src at hook pre-routing, behind the proof of '
        "source addresses; write hook: ingress or egress, or remove it"
    ),
    "services: {s: {hook: forward, permissions: {rewrite: [tcp_dst, ipv4_dst]}}}": (
        't.yaml:1: service "s": permissions cannot let it rewrite ipv4_dst at hook forward, where others\' packets '
        "come; write hook: ingress, pre-routing or egress, or remove it"
    ),
    "services: {s: {hook: post-routing, permissions: {rewrite: [eth_dst]}}}": (
        't.yaml:1: service "s": permissions cannot let it rewrite eth_dst at hook post-routing, where others\' packets '
        "come; write hook: ingress, pre-routing or egress, or remove it"
    ),
    # names
    f'{{"ports": {{"{LONG}": null}}}}': (
        f't.yaml:1: port "{"a" * 39}…": the port\'s name is "{"a" * 39}…", 10000 characters long; '
        "write a name of 1 to 63 characters"
    ),
    "ports: {-p: }": (
        't.yaml:1: port "-p": the port\'s name is "-p", which is no name; '
        "write 1 to 63 letters, digits, . _ and -, starting with a letter or digit"
    ),
    f"instances: {{{'i' * 60}: n1}}": (
        f't.yaml:1: instance "{"i" * 39}…": the name made from it, "{"i" * 39}…", has 64 characters; '
        "shorten its own to 59"
    ),
    f"chains: {{{'c' * 62}: {{match: {{}}, through: [a]}}}}": (
        f't.yaml:1: chain "{"c" * 39}…": the name made from it, "{"c" * 39}…", has 64 characters; '
        "shorten its own to 61"
    ),
    "instances: {a b: n1}": (
        't.yaml:1: instance "a b": the name is "a b", which is no name; '
        "write 1 to 63 letters, digits, . _ and -, starting with a letter or digit"
    ),
    "ports: {p: {node: a b}}": (
        't.yaml:1: port "p": node is "a b", which is no name; '
        "write 1 to 63 letters, digits, . _ and -, starting with a letter or digit"
    ),
    '{"ports": {"p": {"node": 3}}}': 't.yaml:1: port "p": node must be text, not the number 3; write "3" in quotes',
    # addresses
    "nodes: {n: 10.0.0.300}": (
        't.yaml:1: node "n": address is "10.0.0.300", which is no IP address; write one such as 10.0.0.10'
    ),
    "nodes: {n: 'fe80::1'}": (
        't.yaml:1: node "n": address is "fe80::1", a link-local address; write one that is routed, such as 2001:db8::1'
    ),
    "nodes: {n: '::ffff:192.0.2.1'}": (
        't.yaml:1: node "n": address is "::ffff:192.0.2.1", an IPv4 address in the form of an IPv6 one; write 192.0.2.1'
    ),
    "ports: {p: {network: w, address: 10.0.0.1/24}}": (
        't.yaml:1: port "p": address is "10.0.0.1/24", with a prefix length; write 10.0.0.1'
    ),
    "ports: {p: {network: w, address: 224.0.0.1}}": (
        't.yaml:1: port "p": address is "224.0.0.1", a multicast address; write one such as 10.0.0.10'
    ),
    "ports: {p: {network: w, address: 'fe80::1%eth0'}}": (
        't.yaml:1: port "p": address is "fe80::1%eth0", which is no IP address; write one such as 2001:db8::10'
    ),
    "ports: {p: {address: 10.0.0.1}}": (
        't.yaml:1: port "p": address needs a network; write network: NAME, or remove it'
    ),
    "subnets: {s: {network: w, cidr: 10.0.0.5/24}}": (
        't.yaml:1: subnet "s": cidr is "10.0.0.5/24", which has bits set behind the prefix; write 10.0.0.0/24'
    ),
    "networks: {w: 10.0.0.5/24}": (
        't.yaml:1: network "w": cidr is "10.0.0.5/24", which has bits set behind the prefix; write 10.0.0.0/24'
    ),
    "networks: {w: 10.0.0.5}": (
        't.yaml:1: network "w": cidr is "10.0.0.5", without a prefix length; write 10.0.0.0/24'
    ),
    "networks: {w: 10.0.0.0/255.255.255.0}": (
        't.yaml:1: network "w": cidr is "10.0.0.0/255.255.255.0", which is no IP prefix; '
        "write one such as 10.0.0.0/24"
    ),
    "networks: {w: {cidr: 10.0.0.0/24, gateway: 10.0.1.1}}": (
        't.yaml:1: network "w": gateway is "10.0.1.1", in none of its subnets; write one that is'
    ),
    "networks: {w: {subnets: [{cidr: 10.0.0.0/24, gateway: 10.0.0.1}], gateway: 10.0.0.2}}": (
        't.yaml:1: network "w": the subnet that gateway is in has one already; keep one'
    ),
    "subnets: {s: {network: w, cidr: 10.0.0.0/24, gateway: 10.0.1.1}}": (
        't.yaml:1: subnet "s": gateway is 10.0.1.1, outside 10.0.0.0/24; write 10.0.0.1'
    ),
    "subnets: {s: {network: w, cidr: 10.0.0.0/24, gateway: 10.0.0.255}}": (
        't.yaml:1: subnet "s": gateway is 10.0.0.255, the broadcast address; write 10.0.0.1'
    ),
    "networks:\n  w: 10.0.0.0/24\nrouters:\n  r: [w]": (
        't.yaml:4: router "r": subnet "w" has no gateway for the router to answer at (see line 2); '
        'write {cidr: 10.0.0.0/24, gateway: 10.0.0.1} in network "w"'
    ),
    "subnets:\n  s: {network: w, cidr: 10.0.0.0/24}\nrouters:\n  r: [s]": (
        't.yaml:4: router "r": subnet "s" has no gateway for the router to answer at (see line 2); '
        'write gateway: 10.0.0.1 in subnet "s"'
    ),
    "routers: {r: {subnets: [], routes: [{destination: 0.0.0.0/0, via: '2001:db8::1'}]}}": (
        't.yaml:1: router "r": routes go to 0.0.0.0/0 via 2001:db8::1, which is not of its family; '
        "write an IPv4 address"
    ),
    "routers: {r: {subnets: [], routes: [{destination: 0.0.0.0/0}]}}": (
        't.yaml:1: router "r": routes item 1 has no via; write via: ...'
    ),
    "ports: {p: {mac: 01:00:5e:00:00:01}}": (
        't.yaml:1: port "p": mac is "01:00:5e:00:00:01", a multicast address; write 02:00:5e:00:00:01'
    ),
    "ports: {p: {mac: 02-00-00-00-00-0A}}": (
        't.yaml:1: port "p": mac is "02-00-00-00-00-0A", which is no MAC address; write 02:00:00:00:00:0a'
    ),
    "ports: {p: {security: yes}}": 't.yaml:1: port "p": security is "yes"; write true or false, without quotes',
    # instances
    "instances: {i: {}}": (
        't.yaml:1: instance "i": has no ingress; write port: NAME, or node: NAME to have its ports made'
    ),
    "instances: {i: {ingress: a}}": (
        't.yaml:1: instance "i": has no egress; write egress: NAME, or port: NAME for both directions'
    ),
    "instances: {i: {port: a, node: b}}": (
        't.yaml:1: instance "i": port and node say the same thing; keep one'
    ),
    "instances: {i: {port: a, arms: 1}}": (
        't.yaml:1: instance "i": arms is how many ports to make on a node, and there is no node; write node: NAME'
    ),
    "instances: {i: {node: a, arms: 3}}": 't.yaml:1: instance "i": arms is 3; write a number from 1 to 2',
    "instances: {i: {node: a b}}": (
        't.yaml:1: instance "i": node is "a b", which is no name; '
        "write 1 to 63 letters, digits, . _ and -, starting with a letter or digit"
    ),
    "instances: {i: {port: a, weight: 256}}": 't.yaml:1: instance "i": weight is 256; write a number from 0 to 255',
    "instances: {i: {port: a, weight: '3'}}": (
        't.yaml:1: instance "i": weight is "3"; write a whole number from 0 to 255'
    ),
    "instances: {i: {port: a, mode: bridged}}": 't.yaml:1: instance "i": mode is "bridged"; did you mean bridge?',
    # classifiers
    "classifiers: {c: {protocol: TCP}}": 't.yaml:1: classifier "c": protocol is "TCP"; did you mean tcp?',
    "classifiers: {c: {protocol: 256}}": (
        't.yaml:1: classifier "c": protocol is "256"; write tcp, udp, sctp, icmp or a number from 0 to 255'
    ),
    "classifiers: {c: {ethertype: 0x0800}}": 't.yaml:1: classifier "c": ethertype is 0x0800; write ipv4',
    "classifiers: {c: {source_ports: 80}}": (
        't.yaml:1: classifier "c": source_ports needs a protocol; write protocol: tcp (or udp, sctp)'
    ),
    "classifiers: {c: {protocol: icmp, source_ports: 80}}": (
        't.yaml:1: classifier "c": source_ports cannot be asked for: protocol icmp has no ports; '
        "write protocol: tcp (or udp, sctp), or remove source_ports"
    ),
    "classifiers: {c: {protocol: tcp, source_ports: 90-80}}": (
        't.yaml:1: classifier "c": source_ports is 90-80; write the lower one first: 80-90'
    ),
    "classifiers: {c: {protocol: tcp, source_ports: 65536}}": (
        't.yaml:1: classifier "c": source_ports is 65536; write ports from 0 to 65535'
    ),
    "classifiers: {c: {protocol: tcp, source_ports: [1, 2, 3]}}": (
        't.yaml:1: classifier "c": source_ports is not a range of ports; write [lowest, highest], such as [80, 90]'
    ),
    "classifiers: {c: {from: 10.0.0.0/24, to: '2001:db8::1'}}": (
        't.yaml:1: classifier "c": to is IPv6, while 10.0.0.0/24 is IPv4; '
        "write two classifiers, one for each family"
    ),
    "classifiers: {c: {ethertype: ipv6, from: 10.0.0.0/24}}": (
        't.yaml:1: classifier "c": from is IPv4, while ethertype is ipv6; write ethertype: ipv4, or remove ethertype'
    ),
    "classifiers: {c: {ethertype: 0x88b5, protocol: tcp}}": (
        't.yaml:1: classifier "c": protocol cannot be asked for: packets of ethertype 0x88b5 have no IP header; '
        "remove protocol or ethertype"
    ),
    "classifiers: {c: {from: a, source_port: b}}": (
        't.yaml:1: classifier "c": from and source_port say the same thing; keep one'
    ),
    "classifiers: {c: {from: 10.0.0.300}}": (
        't.yaml:1: classifier "c": from is "10.0.0.300", which is no IP prefix; write one such as 10.0.0.0/24'
    ),
    # chains
    "chains: {c: {through: [a]}}": 't.yaml:1: chain "c": has no classifier; write match: {from: PORT}',
    "chains: {c: {match: a}}": 't.yaml:1: chain "c": has no steps; write through: [NAME]',
    "chains: {c: {match: [], through: [a]}}": 't.yaml:1: chain "c": match is empty; write at least 1',
    "chains: {c: {match: a, through: []}}": 't.yaml:1: chain "c": through is empty; write at least 1',
    "chains: {c: {match: a, through: b}}": (
        't.yaml:1: chain "c": through is "b"; write a list of steps: [b]'
    ),
    "chains:\n c:\n  match: a\n  through:\n  - a\n  - []": (
        't.yaml:6: chain "c": step 2 is an empty list; write instances, or remove it'
    ),
    "chains: {c: {match: a, through: [a], precedence: 30001}}": (
        't.yaml:1: chain "c": precedence is 30001; write a number from 0 to 30000'
    ),
    "chains:\n c:\n  match:\n  - from: a\n  - to: b\n    protocol: tpc\n  through: [a]": (
        't.yaml:6: chain "c": protocol is "tpc"; did you mean tcp?'
    ),
    f"chains: {{c: {{match: a, through: [{', '.join(f'g{i}' for i in range(201))}]}}}}": (
        't.yaml:1: chain "c": through has 201 entries; write at most 200'
    ),
    # groups
    "groups:\n g:\n  tap: true\n  instances: [a, b]": (
        't.yaml:4: group "g": instances are 2, while a tap has one; write a group for each instance, or remove tap'
    ),
    "groups: {g: {instances: [], tap: true}}": (
        't.yaml:1: group "g": instances are 0, while a tap has one; write a group for each instance, or remove tap'
    ),
    "groups: {g: {instances: [a], tap: 1}}": (
        't.yaml:1: group "g": tap is "1"; write true or false, without quotes'
    ),
    "groups: {g: {instances: [a], tap: true, maps: {}}}": (
        't.yaml:1: group "g": maps cannot be: a tap gives nothing back; remove maps, or tap'
    ),
    "groups: {g: {instances: [a], maps: {ingress: {source_prefix: 10.0.0.1}, egress: {source_prefix: '::1/128'}}}}": (
        't.yaml:1: group "g": maps has 10.0.0.1 and ::1/128, which are of two families; write a group for each family'
    ),
    "groups: {g: {instances: [a], maps: {egress: {source_ports: 80, protocol: icmp}}}}": (
        't.yaml:1: group "g": maps has ports in egress that protocol icmp does not have; write protocol: tcp (or udp, '
        "sctp), or remove them"
    ),
    "groups: {g: {instances: [a], maps: {out: {}}}}": (
        't.yaml:1: group "g": maps has no field "out"; it has ingress, egress'
    ),
    "groups: {g: {instances: [a], maps: nat}}": (
        't.yaml:1: group "g": maps must be a mapping, not "nat"; write {ingress, egress}'
    ),
    "groups: {g: {instances: [a], hash: [src_ip]}}": (
        't.yaml:1: group "g": hash item 1 is "src_ip"; write eth_src or eth_dst or ip_src or ip_dst or tcp_src or '
        "tcp_dst or udp_src or udp_dst"
    ),
    "groups: {g: {instances: [a], hash: [udp_src, eth_dst]}}": (
        't.yaml:1: group "g": hash cannot be these: no switch can hash eth_dst, udp_src and nothing else; write '
        "[ip_src] or [ip_dst] or [ip_src, ip_dst] or [ip_src, ip_dst, tcp_src, tcp_dst] or "
        "[ip_src, ip_dst, tcp_src, tcp_dst, udp_src, udp_dst] or [eth_src] or "
        "[eth_src, eth_dst, ip_src, ip_dst, tcp_src, tcp_dst]"
    ),
    "chains:\n c:\n  match: a\n  through:\n  - a\n  - {instances: [b], taps: true}": (
        't.yaml:6: chain "c": there is no field "taps"; did you mean tap?'
    ),
    # lab
    "lab: {hosts: {a: {runs: x}}}": 't.yaml:1: lab host "a": there is no field "runs"; did you mean run?',
    "lab: {hosts: {a: {run: [x, '']}}}": (
        't.yaml:1: lab host "a": run item 2 is empty; write a shell command, or remove it'
    ),
    "lab: {name: My-Lab}": 't.yaml:1: lab: name is "My-Lab"; write 1 to 24 lower-case letters, digits and _',
    # text
    "ports:\n\tp:": "t.yaml:2: a tab cannot indent YAML; use spaces",
    "ports: @x": "t.yaml:1: a value cannot start with @; put it in quotes: '@...'",
    "ports:\n  a: b: c": "t.yaml:2: a second colon on the line; put the value in quotes, or start a new line",
    "networks: {web: {label: " + "x" * 256 + "}}": (
        't.yaml:1: network "web": label is "' + "x" * 39 + '…", 256 characters long; write at most 255'
    ),
    'ports: {p: {description: "one\\ntwo"}}': (
        't.yaml:1: port "p": description is "one\\ntwo", which has characters that cannot be shown; remove them'
    ),
    "a\n\0": "t.yaml:2: there is a NUL byte in the text; remove it",
    "a\n\x1b": "t.yaml:2: control character U+001B in the text; remove it",
    b"ports:\n  \xff:": "t.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8",
    "a: \ud800": "t.yaml:1: there is half of a surrogate pair in the text; remove it",
    '{"ports": {\n"p" 3}}': "t.yaml:2: this is not JSON: expecting ':' delimiter",
    '{"ports": {"p": {"node": "\\ud800"}}}': (
        't.yaml:1: port "p": node is "\\ud800", which has half of a surrogate pair; remove it'
    ),
    "a:\n  &x b": 't.yaml:2: anchor "x" is not allowed here; write the value where it is used',
    "a:\n  *x": 't.yaml:2: alias "x" is not allowed here; write the value out',
    "a:\n  !!int 3": 't.yaml:2: tag "tag:yaml.org,2002:int" is not allowed here; remove it, values need no tags',
    "? {a: b}\n: c": (
        "t.yaml:1: a key must be a word, not a list or a mapping; check for a stray ? or {"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=lambda x: str(x)[:40].encode("ascii", "replace"))
def test_message(text, expected):
    assert message(text) == expected


def test_problems_are_told_together_in_the_order_of_lines():
    text = "chains:\n  c: {match: a, through: []}\nports:\n  p: {mac: x, node: 'a b'}\nnodes: {n: }\n"
    assert [(p.line, p.where) for p in problems(text)] == [
        (2, 'chain "c"'),
        (4, 'port "p"'),
        (4, 'port "p"'),
        (5, 'node "n"'),
    ]


def test_at_most_twenty_are_shown_and_a_hundred_collected():
    text = "ports:\n" + "".join(f"  p{i}: x\n" for i in range(5000))
    with pytest.raises(intent.IntentError) as caught:
        intent.parse(text, "t")
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and len(caught.value.problems) == 100
    assert lines[-1] == "... and at least 80 more"


def test_nothing_in_a_message_can_steer_a_terminal():
    text = '{"ports": {"\\u001b[2J": {"\\u009b": "\\u202e"}}, "\\u0007": 1}'
    assert str(problems(text)[0]).isprintable()
    assert all(str(problem).isprintable() for problem in problems(text))


def test_a_messages_parts():
    (problem,) = problems("ports:\n  p: {mac: 01:00:00:00:00:00}")
    assert problem == intent.Problem(
        source="t.yaml",
        line=2,
        where='port "p"',
        message='mac is "01:00:00:00:00:00", a multicast address',
        hint="write 02:00:00:00:00:00",
    )
