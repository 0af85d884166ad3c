#!/usr/bin/env python3
"""bench/flame.py: stacks are folded as they were told, what is drawn is sound XML in its frame, and a machine without perf is told apart from one with nothing to draw. Prints TAP."""
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import flame  # noqa: E402  (its folder had to be named first)

# As perf script tells them: the innermost first, a blank line behind each sample.
SAMPLES = """
\t  10 leaf+0x1 (inlined)
\t  10 middle+0x1 (/x/wcx)
\t  20 main (/x/wcx)

\t  11 memset (/lib/libc.so.6)
\t  12 middle<int> (/x/wcx)
\t  20 main (/x/wcx)

\t  13 memset (/lib/libc.so.6)
\t  12 middle (/x/wcx)
\t  20 main (/x/wcx)

\tffffffff81 clear_page ([kernel.kallsyms])
\t  30 other (/x/wcx)
"""


def folded():
    """each sample counts in every function of its stack, callers first"""
    whole = flame.fold(flame.stacks(SAMPLES), None)
    middle = whole.calls["main"].calls["middle"]
    return (whole.samples == 4 and sorted(whole.calls) == ["main", "other"] and whole.calls["main"].samples == 3 and middle.samples == 2 and sorted(middle.calls) == ["leaf", "memset"]
            and middle.calls["leaf"].colour in flame.OURS and middle.calls["memset"].colour == flame.LIBRARY and whole.calls["other"].calls["clear_page"].colour == flame.KERNEL)


def rooted():
    """below a function: only stacks with it, from it on"""
    whole = flame.fold(flame.stacks(SAMPLES), "middle")
    return whole.samples == 2 and list(whole.calls) == ["middle"] and flame.fold(flame.stacks(SAMPLES), "nobody").samples == 0


def drawn():
    """one rectangle a frame, as wide as its share, above its caller, nothing outside the picture"""
    whole = flame.fold(flame.stacks(SAMPLES), None)
    svg = ET.fromstring(flame.draw(whole, "a < b"))
    name = "{http://www.w3.org/2000/svg}"
    frames = {group.find(f"{name}title").text.split(":")[0]: group.find(f"{name}rect").attrib for group in svg.iter(f"{name}g")}
    width = flame.WIDTH - 2 * flame.SIDE
    inside = all(float(r["x"]) >= 0 and float(r["x"]) + float(r["width"]) <= flame.WIDTH and float(r["y"]) >= flame.TOP - 1 for r in frames.values())
    return (len(frames) == 9 - 1 and inside and abs(float(frames["main"]["width"]) - 0.75 * width) < 1 and float(frames["leaf"]["y"]) < float(frames["middle"]["y"]) < float(frames["main"]["y"])
            and "middle<int>" in frames and svg.find(f"{name}text").text == "a < b")


def without():
    """a machine without perf, and one whose perf fails, say why"""
    with tempfile.TemporaryDirectory() as scratch:
        none = subprocess.run([sys.executable, ROOT / "bench/flame.py", "true"], env={"PATH": scratch}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        perf = Path(scratch) / "perf"
        perf.write_text("#!/bin/sh\necho not permitted >&2\nexit 255\n")
        perf.chmod(0o755)
        failing = subprocess.run([sys.executable, ROOT / "bench/flame.py", "true"], env=dict(os.environ, PATH=f"{scratch}:{os.environ['PATH']}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, check=False)
    return none.returncode == 1 and "not installed" in none.stderr and failing.returncode == 1 and "not permitted" in failing.stderr and not none.stdout and not failing.stdout


def main():
    tests = [folded, rooted, drawn, without]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        good = test()
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {test.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
