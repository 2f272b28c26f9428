"""YAML of anybody: `yaml.safe_load` with limits, so that a text cannot take the memory or the stack.

Anchors and aliases are read, for who writes a configuration with them; what they come to together is limited, so that
nine lines that name each other ten times are refused before anything is built of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MOST_CHARACTERS = 1 << 20
DEEPEST = 50  # mappings and lists within each other
MOST_VALUES = 100_000  # with every alias counted as what it stands for


def load(text: str) -> Any:
    """Plain values; a key that a mapping has twice is an error, not the last one's value.

    Raises:
        yaml.YAMLError: not valid, too large, too deep, or too much by aliases.
    """
    import yaml

    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"{len(text)} characters; at most {MOST_CHARACTERS} are read")
    try:
        return yaml.load(text, _loader())  # noqa: S506 - a SafeLoader
    except (ValueError, OverflowError, TypeError, AttributeError, KeyError, IndexError) as error:
        # PyYAML takes the 13th month for a date, 5000 digits for a number, and hands on what Python says to it.
        raise yaml.YAMLError(f"a value that cannot be read ({error!s:.80})") from error


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        def __init__(self, stream: Any):
            super().__init__(stream)
            self._depth = 0
            self._sizes: dict[int, int] = {}  # of each node that is whole, by id

        def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
            mark, alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
            self._depth += 1
            if self._depth > DEEPEST:
                raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} levels within each other", mark)
            node = super().compose_node(parent, index)
            self._depth -= 1
            if alias and id(node) not in self._sizes:
                raise yaml.composer.ComposerError(None, None, "an alias of what it stands in", mark)
            if node is not None and not alias:
                self._measure(node, mark)
            return node

        def _measure(self, node: yaml.Node, mark: yaml.Mark) -> None:
            """Aliases share a node, which is counted at each place where it stands."""
            parts = node.value if isinstance(node, yaml.SequenceNode) else \
                [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else []
            size = 1 + sum(self._sizes[id(part)] for part in parts)
            if size > MOST_VALUES:
                raise yaml.composer.ComposerError(None, None, f"more than {MOST_VALUES} values", mark)
            self._sizes[id(node)] = size

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} comes twice",
                                                            key.start_mark)
                seen.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key))
            return super().construct_mapping(node, deep)

    return Loader
