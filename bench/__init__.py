"""Measurements, each against something: another size, another tool, or the same path without a chain.

What is compared is measured in turns, round by round, so that whatever else the machine does falls on all alike;
tables show medians over the rounds, and ratios of medians. ``python -m bench`` runs them, as root.
"""
