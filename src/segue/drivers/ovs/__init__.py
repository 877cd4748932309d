"""Open vSwitch: flows over OpenFlow 1.5 in bundles, ports and tunnels over OVSDB. The driver
works on the bridge that it is given and touches no other; it recognises its own ports by their external_ids and its
own flows by their cookies.
"""
