"""Services for worlds of ``strategies``, as they are declared."""

from __future__ import annotations

from hypothesis import strategies as st
from strategies import Draft

from segue.model.hooks import HOOKS
from segue.model.intent import Objects, Port, Service


@st.composite
def served(draw: st.DrawFn, objects: Objects) -> Objects:
    """With services at some of what there is."""
    draft = Draft(dict(objects))
    for name in ("s1", "s2", "s3")[: draw(st.integers(0, 3))]:
        hook = HOOKS[draw(st.sampled_from(sorted(HOOKS)))]
        known = [
            f"{kind}/{one.name}"
            for kind in hook.elements
            for one in draft.of(kind)
            if not isinstance(one, Port) or one.network or "router" not in hook.elements
        ]
        chosen = tuple(draw(st.lists(st.sampled_from(known), unique=True, max_size=4)))
        draft.add(Service(name=name, hook=hook.name, attach=chosen, order=draw(st.integers(0, 2))))
    return draft.objects
