"""What the stages do, and models to use in a program: `from steps.inference.model import EmotionModel`.

Such a program may stand in a directory with a package `utils` of its own: the packages of this repository come first.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_utils = getattr(sys.modules.get("utils"), "__file__", None)
if _utils is not None and Path(_utils).resolve().parent != _ROOT / "utils":
    raise ImportError(f"the packages steps and utils of {_ROOT} belong together, and another utils is imported already "
                      f"({_utils}): import steps in a program of its own, or call utils/emotion.sh")
if sys.path[:1] != [str(_ROOT)]:
    sys.path.insert(0, str(_ROOT))
