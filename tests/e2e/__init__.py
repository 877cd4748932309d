"""Whole networks, judged by their packets."""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("talk", "probes")))
