"""Results come in order whatever the number of threads, errors in their place, and no more than needed is computed."""

import threading
import time

import pytest

from utils.prefetch import AHEAD, in_order


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_order(workers):
    def slow_at_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(in_order(slow_at_first, range(20), workers)) == [number * number for number in range(20)]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_where_its_result_would(workers):
    found = in_order(lambda number: 1 // (3 - number), range(6), workers)
    assert [next(found) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_what_is_computed_ahead_is_bounded_and_a_stop_ends_the_threads():
    done, before = [], threading.active_count()
    found = in_order(done.append, range(1000), 2)
    next(found)
    found.close()
    assert len(done) <= 2 * AHEAD + 2 and threading.active_count() == before
