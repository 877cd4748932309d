"""Which objects an object names: for the checks that need to see all that is applied, not one file."""

from __future__ import annotations

from collections.abc import Iterator

from segue.model.intent import KINDS, Branch, Object, Service

REFERENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "subnet": {"network": ("network",)},
    "router": {"subnets": ("subnet",)},
    "port": {"network": ("network",), "node": ("node",)},
    "instance": {"ingress": ("port",), "egress": ("port",)},
    "group": {"instances": ("instance",)},
    "classifier": {"source_port": ("port",), "destination_port": ("port",), "network": ("network",)},
    "chain": {"classifiers": ("classifier",), "groups": ("group", "instance")},
    "graph": {"branches": ("chain",)},
    "service": {"attach": ("port", "network", "router")},
}
"""kind -> field -> the kinds that its names may be of, the preferred one first."""

KIND_OF: dict[type[Object], str] = {cls: kind for kind, cls in KINDS.items()}


def references(thing: Object) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(field, kinds, name) of each reference, in the order of the fields.

    Where several kinds are possible, an object of the first kind that exists is meant: a chain's step names a group,
    or else an instance. The owner is not among them: an owned object and its owner may name each other.
    """
    for field, kinds in REFERENCES.get(KIND_OF[type(thing)], {}).items():
        value = getattr(thing, field)
        if isinstance(value, str):
            yield field, kinds, value
        elif value is not None:
            for item in value:
                if isinstance(thing, Service):
                    kind, _, name = item.partition("/")
                    yield field, (kind,), name
                    continue
                for name in (item.chain, *item.into) if isinstance(item, Branch) else (item,):
                    yield field, kinds, name
