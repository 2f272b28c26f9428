"""Errors of the operating system as one line."""

import shutil

import pytest

from utils.errors import describe_os_error


@pytest.mark.parametrize(("error", "says"), [
    (OSError(28, "No space left on device", "/d/x"), "no space left while writing /d/x: free space or choose"),
    (shutil.Error([("/from/a", "/to/a", "[Errno 28] No space left on device: '/from/a' -> '/to/a'"),
                   ("/from/b", "/to/b", "[Errno 28] No space left on device")]), "no space left while writing /to/a: "),
    (shutil.Error([("/from/a", "/to/a", "odd")]), "/to/a: odd"),
    (shutil.SameFileError("a and b are the same file"), "a and b are the same file")])
def test_the_first_of_several_errors_is_told(error, says):
    assert says in describe_os_error(error) and "[(" not in describe_os_error(error)
