#!/usr/bin/env python3
"""The pages of a run of wcx-bench and of a shortened `make bench` in a browser (Debian's chromium, headless, offline): every plot is drawn, inside its frame, and nothing fails.

Part of `make test-long`; needs root, as `make bench` does. Prints TAP.
"""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from html import unescape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("WCX_BUILD", ROOT / "build")) / "bin" / "wcx-bench"
CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"]
WIDTH, HEIGHT = 1000, 12000
SCALE = 0.5  # of a screenshot: a quarter of the pixels to look at
STANDARD = ["An operation against the number of resting orders", "Growth beyond bare misses that overlap", "Bytes of an engine by the orders it has room for", "A record, by pass", "Flame graph",
            "Percentiles: engine", "Histogram: engine",
            *(f"{plot}: {group}" for group in ("kill-switch", "mass-cancel", "snapshot", "wire-D0", "wire-TCP", "wire-D1", "load-D0", "load-D1", "durable") for plot in ("Percentiles", "Histogram", "Over time"))]

# Commands whose folders have other plots, on small worlds.
DISTRIBUTION = ["Percentiles", "Histogram"]
OTHERS = {"scale": (["--orders", "1000,2000,5000", "--batches", "20", "--rounds", "1"],
                    ["An operation against the number of resting orders", "Growth beyond bare misses that overlap"]
                    + [f"{plot}: {op}" for op in ("new", "cancel", "cancel_id", "move", "fill", "reduce") for plot in DISTRIBUTION]),
          "kill": (["--orders", "2000", "--repeats", "5"], [f"{plot}: {what}" for what in ("kill-switch", "mass-cancel") for plot in (*DISTRIBUTION, "Over time")] + ["In the order of measuring"]),
          "memory": ([], ["Bytes of an engine by the orders it has room for"]),
          "snapshot": (["--orders", "2000", "--prices", "50", "--repeats", "20"], [*DISTRIBUTION, "Over time", "In the order of measuring"]),
          "replay": (["--ops", "20000"], ["A record, by pass", "In the order of measuring"])}

# What the browser itself measured of every plot, left in the page for --dump-dom.
PROBE = """<pre id="probe"></pre><script>
const failed = [];
addEventListener("error", e => failed.push(String(e.message || e.target)), true);
addEventListener("load", () => {
  const plots = [...document.querySelectorAll("svg")].map(svg => {
    const frame = svg.getBoundingClientRect();
    const outside = [...svg.querySelectorAll("path, text, line, rect")].filter(e => {
      const r = e.getBoundingClientRect();
      return !(r.left >= frame.left - 1 && r.right <= frame.right + 1 && r.top >= frame.top - 1 && r.bottom <= frame.bottom + 1);
    }).length;
    return {title: svg.querySelector("text").textContent, frame: [frame.left, frame.top, frame.width, frame.height],
            lengths: [...svg.querySelectorAll("path, rect")].map(p => p.getTotalLength()), labels: svg.querySelectorAll("text").length,
            axes: [...svg.querySelectorAll("text.axis")].filter(e => e.textContent.length > 1).length, outside: outside};
  });
  document.getElementById("probe").textContent = JSON.stringify({plots: plots, failed: failed, errors: document.querySelectorAll("parsererror").length});
});
</script></body>"""


def browse(folder, *args):
    return subprocess.run([*CHROMIUM, f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=180)


def measure(folder, page):
    (folder / "probed.html").write_text(page.replace("</body>", PROBE), encoding="utf-8")
    dom = browse(folder, "--dump-dom", f"file://{folder}/probed.html").stdout
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)
    return json.loads(unescape(found.group(1))) if found and found.group(1) else {"plots": [], "failed": ["no answer"], "errors": 1}


def pixels(path):
    """Rows of (channels, bytes) of a PNG with 8 bits a channel, as a browser writes it."""
    raw, at, packed = path.read_bytes(), 8, b""
    while at < len(raw):
        size, kind = struct.unpack(">I4s", raw[at:at + 8])
        body = raw[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", body[:10])
        packed += body if kind == b"IDAT" else b""
        at += size + 12
    step = {2: 3, 6: 4}[colour]
    plain, rows, before = zlib.decompress(packed), [], bytes(width * step)
    for y in range(height):
        line = plain[y * (width * step + 1):(y + 1) * (width * step + 1)]
        row = bytearray(line[1:])
        for x in range(len(row)):
            left = row[x - step] if x >= step else 0
            corner = before[x - step] if x >= step else 0
            if line[0] == 1:
                row[x] = row[x] + left & 255
            elif line[0] == 2:
                row[x] = row[x] + before[x] & 255
            elif line[0] == 3:
                row[x] = row[x] + (left + before[x]) // 2 & 255
            elif line[0] == 4:
                guess = left + before[x] - corner
                row[x] = row[x] + min((left, before[x], corner), key=lambda v: abs(guess - v)) & 255
        rows.append(bytes(row))
        before = row
    return step, rows


def coloured(step, rows, frame):
    """Pixels inside a frame that are neither white, grey nor black: lines, bars, frames of a flame graph."""
    x0, y0, width, height = (round(v * SCALE) for v in frame)
    return sum(max(row[i:i + 3]) - min(row[i:i + 3]) > 60 for row in rows[y0:y0 + height] for i in range(x0 * step, (x0 + width) * step, step))


def blank(told):
    """Titles of the plots without a line, or with one that is a dot."""
    return [plot["title"] for plot in told["plots"] if not plot["lengths"] or min(plot["lengths"]) <= 5]


def check(points, what, folder, wanted):
    """Open a run's page, ask for these plots and for what each of them must show. Returns the page."""
    page = (folder / "out/latest/report.html").read_text(encoding="utf-8")
    told = measure(folder, page)
    titles = [plot["title"].split(": build/")[0] for plot in told["plots"]]
    points.append((titles == wanted, f"{what}: the browser finds {len(wanted)} plots" + ("" if titles == wanted else f", not {titles}")))
    points.append((not told["failed"] and told["errors"] == 0, f"{what}: nothing fails {told['failed'] or ''}"))
    points.append((bool(titles) and not blank(told) and all(plot["labels"] > 8 for plot in told["plots"]), f"{what}: each has lines and labels {blank(told) or ''}"))
    points.append((bool(titles) and all(plot["axes"] == 2 for plot in told["plots"] if not plot["title"].startswith("Flame graph")), f"{what}: both axes of each say what they are"))
    points.append((bool(titles) and all(plot["outside"] == 0 for plot in told["plots"]), f"{what}: and draws nothing outside its frame"))
    shot = browse(folder, f"--screenshot={folder}/report.png", f"--force-device-scale-factor={SCALE}", "--hide-scrollbars", f"file://{folder}/out/latest/report.html")
    drawn = (folder / "report.png").exists()
    points.append((drawn, f"{what}: a screenshot is taken" + ("" if drawn else f": {shot.stderr[-400:]}")))
    step, rows = pixels(folder / "report.png") if drawn else (3, [])
    points.append((drawn and bool(titles) and all(coloured(step, rows, plot["frame"]) > 100 for plot in told["plots"]), f"{what}: and shows the line of every plot"))
    return page


def main():
    points = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        subprocess.run([BENCH, "engine", "--profile", "a", "--ops", "20000", "--passes", "20", "--out", folder / "out"], stdout=subprocess.DEVNULL, check=True)
        page = check(points, "engine", folder, ["Percentiles", "Histogram", "In the order of measuring"])
        broken = measure(folder, re.sub(r'(<path [^>]*d=")M[^"]*"', r'\1Mnan"', page))
        points.append((len(blank(broken)) == 3, "a page whose lines are broken is noticed"))
    for command, (args, titles) in OTHERS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            subprocess.run([BENCH, command, *args, "--out", folder / "out"], stdout=subprocess.DEVNULL, check=True)
            check(points, command, folder, titles)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        done = subprocess.run([ROOT / "bench/standard.py", "--short", "--out", folder / "out"], stdout=subprocess.PIPE, text=True, check=False)
        made = [path for path in (folder / "out").iterdir() if not path.is_symlink()]
        points.append((done.returncode == 0 and len(made) == 1 and (folder / "out/latest").resolve() == made[0].resolve(), "make bench, shortened, makes one folder"))
        page = check(points, "make bench", folder, [title for title in STANDARD if title != "Flame graph" or "none: " not in done.stdout])
        env = json.loads((folder / "out/latest/env.json").read_text(encoding="utf-8"))
        points.append((env["valid"] and env["commit"] in page and env["host"] in page, "make bench: env.json and the page name commit and host"))
        rows = [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]
        points.append((len(rows) >= 50 and all(line.split(" | ")[-1].count("`") == 2 and len(line.split(" | ")[1]) > 2 for line in rows), "make bench: every figure of its table stands beside a command"))
    print(f"1..{len(points)}")
    for number, (good, text) in enumerate(points, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    return 0 if all(good for good, _ in points) else 1


if __name__ == "__main__":
    sys.exit(main())
