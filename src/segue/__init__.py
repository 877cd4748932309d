"""Segue: service function chaining in which the packet carries its path."""

__version__ = "0.1.0"
