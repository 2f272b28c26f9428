"""What PYTHONSAFEPATH=1 does from Python 3.11 on, for Python 3.10: nothing is imported from the working directory.

utils/start.sh puts this directory first on PYTHONPATH, so Python runs this file at its start, before it puts the
working directory (`-m`, `-c`) or a script's own directory first on sys.path. Goes when Python 3.10 does.
"""

import sys


class _FirstImport:
    """Is asked at imports, finds nothing, and drops what the start of Python has put first on sys.path by the way."""

    def __init__(self) -> None:
        self.first = sys.path[0]

    def find_spec(self, *_: object) -> None:
        if sys.path and sys.path[0] is not self.first:
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            del sys.path[0]


def _next_of_this_name() -> None:
    """Run the sitecustomize that this one hides: a computing center's or a distribution's."""
    mine = sys.modules.pop(__name__)
    sys.path.remove(__file__.rpartition("/")[0])
    try:
        import sitecustomize  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, mine)


_next_of_this_name()
if sys.version_info < (3, 11):
    sys.meta_path.insert(0, _FirstImport())  # type: ignore[arg-type]
