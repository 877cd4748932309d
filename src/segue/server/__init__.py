"""The conductor: what the whole network is to be, who is told what, and when the next step may be taken."""
