#!/usr/bin/env bash
# From the openstack command to a packet: the chain of dragonflow.yaml, asked for by OpenStack's own client.
#
#   examples/openstack.sh
#
# Needs root, and `openstack` with networking-sfc's commands, from python-openstackclient and python-neutronclient: where
# OPENSTACK says, else in .venv-clients, else in the PATH. LAB and LISTEN are the lab's name and its server's address.
# The network stays up.
# `make clean` removes it, unless LAB says another name.
set -euo pipefail
cd "$(dirname "$0")/.."

here=.venv-clients/bin/openstack
OPENSTACK=${OPENSTACK:-$([[ -x $here ]] && echo "$here" || echo openstack)}
LAB=${LAB:-openstack}
PATH=$PWD/.venv/bin:$PATH
say() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*" >&2 && "$@"; }
os() { printf '$ openstack %s\n' "$*" >&2 && "$OPENSTACK" "$@"; }

say 'The nodes, each with a switch: what an operator has'
url=$(show segue lab up examples/dragonflow.yaml --name "$LAB" --listen "${LISTEN:-127.0.0.1:0}" |
    sed -n 's/^its server is at //p')
export SEGUE_SERVER=$url OS_AUTH_TYPE=none OS_ENDPOINT=$url
show segue apply - <<<'nodes: [n1, n2, n3]'

say 'Networks and ports: what a user asks Neutron for'
os network create -f value -c id web
os subnet create -f value -c cidr --network web --subnet-range 10.0.0.0/24 web
# Nova makes an interface with the port's MAC address, and writes the port's id on it. Here the lab has made it.
attach() { # NODE HOST INTERFACE NAME [OPTION...]
    local id mac
    mac=$(segue lab exec --lab "$LAB" "$2" cat "/sys/class/net/$3/address")
    id=$(os port create -f value -c id --network web --host "$1" --device "$2" --mac-address "$mac" "${@:5}" "$4")
    show segue lab exec --lab "$LAB" "$1" ovs-vsctl set interface "$4" "external_ids:iface-id=$id"
}
attach n1 client eth0 client --fixed-ip ip-address=10.0.0.10
attach n3 server eth0 server --fixed-ip ip-address=10.0.0.20
attach n2 upper upper-in upper-in
attach n2 upper upper-out upper-out

ask() { # the client's question, and the server's answer as it arrives
    segue lab exec --lab "$LAB" client python3 -c '
import socket, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(0.5)
for _ in range(20):  # until all interfaces are known
    asker.sendto(b"here is dragonflow", ("10.0.0.20", 2345))
    try:
        sys.exit(print("the answer:", asker.recv(2000).decode()))
    except TimeoutError:
        pass
sys.exit("no answer")'
}
ask

say 'The chain: what a user asks networking-sfc for'
os sfc port pair create -f value -c ID --ingress upper-in --egress upper-out upper
os sfc port pair group create -f value -c ID --port-pair upper uppers
os sfc flow classifier create -f value -c ID --ethertype IPv4 --protocol udp --source-port 2345:2345 \
    --logical-source-port server --logical-destination-port client answers
os sfc port chain create -f value -c ID --port-pair-group uppers --flow-classifier answers loud

say 'In force when its status says so'
for _ in {1..100}; do
    segue status loud >/dev/null && break
    sleep 0.1
done
ask
show segue status loud
cat <<END

The network is still up. Try:
  export SEGUE_SERVER=$url OS_AUTH_TYPE=none OS_ENDPOINT=$url
  segue trace 'server > client udp 2345 > 40000'
  openstack sfc port chain list
  segue get chains
  openstack sfc port chain delete loud
  segue lab down $LAB
END
