"""Data planes, one folder each: `render` is pure and says what a program looks like in the data plane's own
terms, `apply` does the I/O and reads back what is really there. Drivers know nothing of one another; the agent
picks one by the node's capabilities.
"""
