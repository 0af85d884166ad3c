#!/usr/bin/env python3
"""A flame graph of a command, as an <svg> element without script: where its time goes, callers below what they call. Samples of the CPU clock by perf, which works where a guest has no counters.

usage: flame.py [--out FILE] [--root FUNCTION] [--seconds N] command ...
  --root: only what FUNCTION calls. Exit status 1, and why on stderr, where perf cannot record: not installed, or kernel.perf_event_paranoid forbids it.
"""
import argparse
import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTH, ROW, TOP, SIDE = 1400, 17, 50, 10
LETTER = 6.4  # width of one, px
TIMED_OUT = 124
LEAST = 0.3  # what is narrower is left out, px
OURS, LIBRARY, KERNEL = ("#1f5fa8", "#2a6fbd", "#3a7fcd"), "#c98a2b", "#8f8f8f"


class Frame:
    """A function as called from one stack: samples of it and of what it calls."""

    def __init__(self, name, colour):
        self.name, self.colour, self.samples, self.calls = name, colour, 0, {}


def colour_of(name, binary):
    if "kernel" in binary:
        return KERNEL
    return LIBRARY if ".so" in binary else OURS[sum(name.encode()) % len(OURS)]


def record(command, seconds, folder, cwd):
    """What perf script tells of the command's samples. Raises RuntimeError with why there are none."""
    data = Path(folder) / "perf.data"
    try:
        done = subprocess.run(["timeout", str(seconds), "perf", "record", "-q", "-o", data, "-e", "cpu-clock", "-F", "499", "--call-graph", "dwarf,8192", "--", *command], cwd=cwd,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        told = subprocess.run(["perf", "script", "-i", data, "-F", "ip,sym,dso"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError("perf is not installed (linux-perf)") from error
    if done.returncode not in (0, TIMED_OUT) or told.returncode != 0:
        raise RuntimeError("perf cannot record: " + " ".join((done.stderr or told.stderr).split())[:300])
    return told.stdout


def stacks(text):
    """Of each sample its functions with their binaries, the caller first."""
    for block in text.split("\n\n"):
        frames = [re.match(r"\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$", line) for line in block.splitlines()]
        found = [(match.group(1), match.group(2)) for match in frames if match]
        if found:
            yield [(name, found[-1][1] if binary == "inlined" else binary) for name, binary in reversed(found)]


def fold(samples, root):
    whole = Frame("all", "#444")
    for stack in samples:
        names = [name for name, _ in stack]
        if root and root not in names:
            continue
        at = whole
        at.samples += 1
        for name, binary in stack[names.index(root) if root else 0:]:
            at = at.calls.setdefault(name, Frame(name, colour_of(name, binary)))
            at.samples += 1
    return whole


def depth_of(frame, scale):
    return 1 + max((depth_of(call, scale) for call in frame.calls.values() if call.samples * scale >= LEAST), default=0)


def put(frame, whole, x, bottom, scale, lines):
    width = frame.samples * scale
    if width < LEAST:
        return
    share = f"{html.escape(frame.name)}: {frame.samples} samples, {100 * frame.samples / whole:.1f} %"
    lines.append(f'<g><title>{share}</title><rect x="{x:.1f}" y="{bottom - ROW:.0f}" width="{max(width - 0.2, LEAST):.1f}" height="{ROW - 1}" fill="{frame.colour}"/>')
    room = int((width - 6) / LETTER)
    if room >= 4:
        text = frame.name if len(frame.name) <= room else frame.name[:room - 2] + ".."
        lines.append(f'<text x="{x + 3:.1f}" y="{bottom - 5:.0f}" fill="#fff">{html.escape(text)}</text>')
    lines.append("</g>")
    for call in sorted(frame.calls.values(), key=lambda one: one.name):
        put(call, whole, x, bottom - ROW, scale, lines)
        x += call.samples * scale


def draw(whole, title):
    scale = (WIDTH - 2 * SIDE) / whole.samples
    height = TOP + depth_of(whole, scale) * ROW + SIDE
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="10.5">',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', f'<text x="{SIDE}" y="24" font-family="sans-serif" font-size="16">{html.escape(title)}</text>']
    put(whole, whole.samples, SIDE, height - SIDE, scale, lines)
    return "\n".join([*lines, "</svg>"])


def flame(command, root=None, seconds=60, cwd=None):
    """The <svg> element. Raises RuntimeError where there is nothing to draw, with why."""
    with tempfile.TemporaryDirectory() as folder:
        whole = fold(stacks(record([str(part) for part in command], seconds, folder, cwd)), root)
    if whole.samples == 0:
        raise RuntimeError(f"no sample of {root or command[0]}")
    return draw(whole, f"Flame graph: {' '.join(map(str, command))}, {whole.samples} samples")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, help="the file (standard output)")
    parser.add_argument("--root", help="only what this function calls")
    parser.add_argument("--seconds", type=int, default=60, help="the command is ended then (%(default)s)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")
    try:
        svg = flame(options.command, options.root, options.seconds)
    except RuntimeError as error:
        sys.exit(f"flame.py: {error}")
    if options.out:
        options.out.write_text(svg, encoding="utf-8")
    else:
        print(svg)


if __name__ == "__main__":
    main()
