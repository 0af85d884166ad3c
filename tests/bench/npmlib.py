"""An npm package for a test: pinned by version and integrity in a folder of the tree, installed into build/."""
import shutil
import subprocess


def install(wanted, folder, package):
    """node_modules with the package; its integrity is checked by npm. RuntimeError says why it cannot be had."""
    have = folder / "package-lock.json"
    if not (have.exists() and have.read_bytes() == (wanted / "package-lock.json").read_bytes() and (folder / "node_modules" / package).exists()):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(wanted, folder)
        command = ["npm", "ci", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise RuntimeError(f"{' '.join(command)} failed: is the npm registry reachable (npm ping)?\n{done.stdout.decode(errors='replace')}")
    return folder / "node_modules"
