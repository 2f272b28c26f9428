"""User errors, and the one place where a program turns an exception into a line on standard error.

A user mistake ends with one line: what is wrong, where, what to do. Exit status 2 for usage, 1 for failed work.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

from utils.loaded import note
from utils.printable import printable, short


class UserError(Exception):
    """A mistake that the user can mend. The message says what, where, and what to do, on one line.

    Args:
        message: one line; control characters in it, of a file's name or content, are shown as escapes.
        status: exit status; 1 = failed work (bad data, full disk), 2 = usage (bad option, bad configuration).
    """

    def __init__(self, message: str, status: int = 1):
        super().__init__(short(printable(" ".join(str(message).split("\n")))))
        self.status = status


class UsageError(UserError):
    """A wrong option, option value or configuration key. Exit status 2."""

    def __init__(self, message: str):
        super().__init__(message, status=2)


class DamagedFile(UserError, ValueError):
    """A file that does not hold what it should. A ValueError, too, for who can do without the file or make it again."""


NO_MEMORY = "out of memory: lower the batch size or the number of parallel tasks, or ask for more with --mem"
# What code says to content that it did not expect: a key that is missing, a list where a number should be.
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError,
             EOFError, MemoryError)


@contextlib.contextmanager
def reading(where: object, advice: str, *further: type[BaseException]) -> Iterator[None]:
    """Around code that makes something of a file's content: whatever it stumbles over is the file's fault.

    Args:
        further: exceptions that belong to it, too, of the library that reads.

    Raises:
        DamagedFile: "WHERE is damaged (...); ADVICE". A UserError passes as it is.
    """
    try:
        yield
    except UserError:
        raise
    except (*MALFORMED, *further) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise DamagedFile(f"{where} is damaged ({' '.join(what.split()):.160}); {advice}") from error


def describe_import_error(error: ImportError) -> str:
    """One line for a package that is not there or cannot be loaded; "" where the fault is in this repository."""
    if any(sign in str(error) for sign in ("failed to map segment", "annot allocate memory", "MemoryError")):
        return NO_MEMORY
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in (
            "", "local", "steps", "utils"):
        return f"{sys.executable} has no module {error.name}: `. path.sh` takes a Python that has what is needed"
    return ""


def describe_os_error(error: OSError) -> str:
    """One line for an operating-system error: what, where, what to do."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        # shutil.copytree gathers (from, to, text of the error); the first says enough.
        _, where, text = error.args[0][0]
        number = re.match(r"\[Errno (\d+)\] ", str(text))
        error = OSError(int(number[1]), os.strerror(int(number[1])), where) if number else OSError(f"{where}: {text}")
    where = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left while writing {where}: free space or choose another directory, then run the same command"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write or read {where}: {os.strerror(error.errno)}; check its permissions"
    if error.errno == errno.ENOENT:
        return f"{where} does not exist"
    return f"{where}: {error.strerror or error}"


def run_main(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> int:
    """Run `main` and return its exit status; a user mistake becomes one line on standard error.

    `--debug` anywhere on the command line (it is removed) or EMOTION_DEBUG=1 shows the traceback. A stage learns what
    the process has loaded (utils/loaded.py). Who reads standard output may go early (| head): then the program ends
    without a word, with the status of a SIGPIPE.
    """
    print_utf8()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--debug" in arguments:
        os.environ["EMOTION_DEBUG"] = "1"  # for the programs that this one starts, too
    debug = os.environ.get("EMOTION_DEBUG") == "1"
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        try:
            return main(arguments) or 0
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk or a reader who has gone shows here, not at the interpreter's end
    except UserError as error:
        status, line = error.status, str(error)
    except MemoryError:
        status, line = 1, NO_MEMORY
    except RuntimeError as error:  # of torch, which has no MemoryError of its own
        if not re.search("allocate memory|out of memory", str(error)):
            raise
        status, line = 1, NO_MEMORY
    except ImportError as error:
        status, line = 1, describe_import_error(error)
        if not line:
            raise
    except BrokenPipeError:
        drop_output()
        return 141
    except OSError as error:
        status, line = 1, describe_os_error(error)
        drop_output()
    except KeyboardInterrupt:
        return 130
    finally:
        note()
    if debug:
        traceback.print_exc()
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"error: {short(printable(line))}", file=sys.stderr, flush=True)
    return status


def print_utf8() -> None:
    """Output is UTF-8 in every locale; a file name of other bytes is printed as those bytes."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def drop_output() -> None:
    """Standard output that cannot be written: what is still in its buffer goes nowhere."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
