"""Controller applications that come with Segue, written as a user's would be. `segue openflow run NAME` runs one."""

NAMES = {
    "learning-switch": "learning_switch",
    "discovery": "discovery",
    "spanning-tree": "spanning_tree",
    "arp-proxy": "arp_proxy",
}
"""The name of each, and its module."""
