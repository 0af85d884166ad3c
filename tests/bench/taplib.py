"""What the tests here have alike: each is a function of a new directory, says in its docstring what holds, and is a line of TAP."""
import tempfile
from pathlib import Path


def run(tests):
    """Print TAP; returns the exit status."""
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as scratch:
            good = test(Path(scratch))
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {test.__doc__}", flush=True)
    return 1 if failed else 0
