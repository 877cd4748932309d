"""Parties that we did not write, as judges of the OpenFlow library. Nothing here imports the library.

`osken` holds golden packets and a parser in Python, `ovs_cases` Open vSwitch's own test cases, `ofctl` Open vSwitch's
decoder and encoders, `ofctl_wire` what ovs-ofctl sends to a switch, `dummy` a switch that forwards nothing, `wireshark`
the dissector. Each of these has `available()`, which gives the reason why its party cannot be asked, or None. `kept`
holds octets of parties that are not asked any more.
"""
