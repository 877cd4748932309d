"""Addresses and header codecs. The lowest room: it knows bytes and integers, nothing of Segue."""
