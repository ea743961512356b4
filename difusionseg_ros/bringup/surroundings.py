"""Namespace and remaps that other launch files apply to our nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Surroundings:
    """`namespace` from PushRosNamespace, and `remaps` (from, to) from SetRemap."""

    namespace: str = ""
    remaps: Sequence[tuple[str, str]] = ()

    def inner_namespace(self, namespace: str) -> str:
        """Return the full namespace that launch_ros gives to a node with `namespace`."""
        if namespace.startswith("/"):
            return f"/{namespace.strip('/')}"
        parts = [part for part in (self.namespace.strip("/"), namespace.strip("/")) if part]
        return "/" + "/".join(parts)

    def topic(self, name: str, namespace: str, remaps: Mapping[str, str]) -> str:
        """Return the full name of a node's topic `name`; the first matching remap applies.

        `namespace` and `remaps` are the node's own, in addition to those around it.
        """
        inner = self.inner_namespace(namespace)
        for source, target in [*self.remaps, *remaps.items()]:
            if _absolute(source, inner) == _absolute(name, inner):
                name = target
                break
        return _absolute(name, inner)


NOTHING_AROUND = Surroundings()


def _absolute(name: str, namespace: str) -> str:
    return name if name.startswith("/") else f"{namespace.rstrip('/')}/{name}"
