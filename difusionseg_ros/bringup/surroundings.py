"""What other launch files put around ours: a namespace and remaps that apply to our nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Surroundings:
    """`namespace` is that of PushRosNamespace, `remaps` (from, to) those of SetRemap."""

    namespace: str = ""
    remaps: Sequence[tuple[str, str]] = ()

    def inner_namespace(self, namespace: str) -> str:
        """The full namespace of a node that asks for `namespace`, as launch_ros makes it."""
        if namespace.startswith("/"):
            return f"/{namespace.strip('/')}"
        parts = [part for part in (self.namespace.strip("/"), namespace.strip("/")) if part]
        return "/" + "/".join(parts)

    def topic(self, name: str, namespace: str, remaps: Mapping[str, str]) -> str:
        """The full name of a node's topic `name`; the first remap that matches it counts.

        The node is in `namespace`, as given to it, and has the `remaps` beside those around it.
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
