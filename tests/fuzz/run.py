#!/usr/bin/env python3
"""Let libFuzzer search every target of a tree built by `make fuzz` and report executions and findings; the last line is JSON.

What it learns stays in BUILD/corpus/<target>, so that a later run goes on from there. A finding is a file in BUILD/findings; the exit status is 1 when there
is one. `--keep` writes the smallest set of inputs that reaches everything reached so far, less the seeds, to tests/fuzz/corpus/<target>.txt.
"""
import argparse
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT_SZ_MAX = 16000  # bytes of a target's inputs together, the shortest first
OPTIONS = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1"]


class Target:
    def __init__(self, build, program):
        self.name, self.program = program.name.removeprefix("test_"), program
        self.seeds = program.parent / "seeds" / self.name
        self.corpus, self.findings = build / "corpus" / self.name, build / "findings"
        for folder in (self.corpus, self.findings):
            folder.mkdir(parents=True, exist_ok=True)

    def run(self, *args):
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=1", UBSAN_OPTIONS="print_stacktrace=1")
        return subprocess.run([str(self.program), *OPTIONS, *map(str, args)], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)

    def found(self):
        return {path.name for path in self.findings.glob(f"{self.name}-*")}

    def search(self, seconds):
        """{executions, features, findings, ...} of a search."""
        before = self.found()
        done = self.run(f"-max_total_time={seconds}", f"-artifact_prefix={self.findings}/{self.name}-", self.corpus, self.seeds)
        said = done.stdout.decode(errors="replace")
        (self.findings.parent / f"{self.name}.log").write_text(said)
        executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
        progress = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", said)
        if executed is None and done.returncode == 0:
            raise RuntimeError(f"{self.program} said nothing of its executions:\n{said[-2000:]}")
        out = {"target": self.name, "executions": int(executed.group(1)) if executed else 0, "edges": int(progress[-1][0]) if progress else 0,
               "inputs": int(progress[-1][2]) if progress else 0, "findings": sorted(self.found() - before)}
        if done.returncode != 0 and not out["findings"]:
            out["findings"] = [f"status {done.returncode}: see {self.name}.log"]
        if out["findings"]:
            print("\n".join("    " + line for line in said.splitlines()[-60:]))
            print(f"    repeat: {self.program.relative_to(ROOT)} {self.findings.relative_to(ROOT)}/{out['findings'][0]}")
        return out

    def keep(self):
        """Inputs that reach more than the seeds do."""
        with tempfile.TemporaryDirectory() as scratch:
            self.run("-merge=1", scratch, self.seeds, self.corpus)
            seeds = {path.read_bytes() for path in self.seeds.iterdir()}
            inputs = sorted({path.read_bytes() for path in Path(scratch).iterdir()} - seeds, key=lambda data: (len(data), data))
        sums = itertools.accumulate(len(data) for data in inputs)
        inputs = [data for data, sum_of in zip(inputs, sums) if 0 < len(data) and sum_of <= KEPT_SZ_MAX]
        lines = ["# Kept by tests/fuzz/run.py --keep: what a search found that the seeds do not reach. A name and the bytes of an input a line."]
        lines += [f"{hashlib.sha256(data).hexdigest()[:10]} {data.hex()}" for data in inputs]
        (HERE / "corpus" / f"{self.name}.txt").write_text("\n".join(lines) + "\n")
        return len(inputs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/fuzz/address-undefined", help="tree of the targets")
    parser.add_argument("--minutes", type=float, default=2, help="for each target")
    parser.add_argument("--only", default="", help="only targets whose name contains this")
    parser.add_argument("--keep", action="store_true", help="write tests/fuzz/corpus instead of searching")
    args = parser.parse_args()
    build = ROOT / args.build
    programs = [path for path in sorted((build / "tests" / "fuzz").glob("test_*")) if path.suffix == "" and args.only in path.name]
    if not programs:
        sys.exit(f"no fuzz targets in {build}: make fuzz")
    if args.minutes <= 0:
        sys.exit(f"--minutes {args.minutes}: give more than 0")
    results = []
    for program in programs:
        target = Target(build, program)
        if args.keep:
            print(f"  KEEP {target.name}: {target.keep()} inputs", flush=True)
            continue
        print(f"  FUZZ {target.name}", flush=True)
        results.append(target.search(int(args.minutes * 60)))
        print("       {executions} executions, {edges} edges, {inputs} inputs, {found} findings".format(found=len(results[-1]["findings"]), **results[-1]), flush=True)
    if args.keep:
        return 0
    findings = sum(len(result["findings"]) for result in results)
    print(json.dumps({"minutes_each": args.minutes, "executions": sum(result["executions"] for result in results), "findings": findings, "targets": results}))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
