from __future__ import annotations

import sys
from pathlib import Path

# The private switch of the interpreter's tests serves here too.
sys.path.insert(0, str(Path(__file__).parent.parent / "verify"))
