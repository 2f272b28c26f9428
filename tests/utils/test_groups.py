"""What pairs connect."""

from utils.groups import connected


def test_chains_and_single_nodes():
    assert connected([("c", "b"), ("x", "x"), ("a", "b"), ("e", "d")]) == [["a", "b", "c"], ["d", "e"], ["x"]]
    assert connected([]) == []
