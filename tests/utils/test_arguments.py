"""A mistake on a command line is one line and exit status 2."""

import argparse

import pytest

from utils.arguments import ArgumentParser, count
from utils.errors import run_main


def main(argv=None) -> int:
    parser = ArgumentParser("tool.sh")
    parser.add_argument("--nj", type=count, default=1)
    parser.add_argument("--size", choices=("full", "tiny"))
    parser.add_argument("data")
    return 10 + parser.parse_args(argv).nj


@pytest.mark.parametrize(("words", "says"), [
    (["x", "--bad"], "unknown option --bad; see --help"),
    (["--siez=full"], "unknown option --siez; did you mean --size?"),
    (["--no-such"], "unknown option --no-such"), (["--size", "--bad", "x"], "unknown option --bad"),
    (["x", "--siz", "tiny"], "--siz"), (["x", "--nj"], "--nj"), ([], "data"),
    (["x", "--nj", "0"], "'0'"), (["x", "--nj", "-3"], "'-3'"), (["x", "--nj", "2.5"], "2.5"),
    (["x", "--size", "big"], "full"), (["x", "y"], "y")])
def test_a_mistake_is_one_line_that_names_it(capsys, words, says):
    assert run_main(main, words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: tool.sh: ") and err.count("\n") == 1 and says in err


def test_what_is_right_passes():
    assert run_main(main, ["--nj=3", "--", "--data"]) == 13
    assert run_main(main, ["x", "--nj", "08", "--size", "tiny"]) == 18


@pytest.mark.parametrize("text", ["٣", "1_0", "", " 1", "1e3", "9999999"])
def test_a_count_is_ascii_digits(text):
    with pytest.raises(argparse.ArgumentTypeError):
        count(text)


def test_the_earlier_name_of_an_option_is_accepted_with_a_note(capsys):
    parser = ArgumentParser("tool.sh")
    parser.add_argument("--targets")
    parser.add_argument("data")
    parser.add_renamed("--label", "--targets")
    for words in (["--label", "a"], ["--label=a"]):
        assert parser.parse_args([*words, "--", "--label"]) == argparse.Namespace(
            debug=False, targets="a", data="--label")
        assert capsys.readouterr().err == "note: --label is called --targets now\n"
