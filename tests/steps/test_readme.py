"""The path of steps/README.md from a recipe to the loss is short, and it is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST = 12


def test_at_most_twelve_files_lead_from_a_recipe_to_the_loss():
    text = (ROOT / "steps" / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Follow the training of one network")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w/.]+)`[^|]*\|(?: `([^`]+)`)? *\|$", section, re.MULTILINE)
    assert 5 < len(rows) <= MOST and rows[0][0].startswith("egs/") and not rows[-1][1]
    for (file, word), (following, _) in zip(rows, rows[1:], strict=False):
        assert word in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not name {word}"
        last = word.rpartition("/")[2].rpartition(":")[2].rpartition(".")[2]
        found = (ROOT / following).read_text(encoding="utf-8")
        defined = re.search(rf"(class|def) {last}\b|^{last}\(\)|SPECS = ", found, re.MULTILINE)
        assert defined or following.endswith((word, f"{word.replace('.', '/')}.py")) or Path(following).stem == word, \
            f"{following} does not define {word}"
    assert re.search(r"def loss\(", (ROOT / rows[-1][0]).read_text(encoding="utf-8"))
