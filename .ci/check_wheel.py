"""Build the wheel and check that it holds the four packages and nothing else.

Users must not find `tests` or `examples` among their importable names, and a type checker must
find `py.typed` in each package.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGES = {"coord", "transport", "recipes", "workers"}
ROOT = Path(__file__).resolve().parent.parent


def build(target: Path) -> Path:
    """Build one wheel into `target` and return its path."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(target), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = target.glob("*.whl")
    return wheel


def faults(names: list[str]) -> list[str]:
    """Say what is wrong with a wheel that holds `names`; empty if nothing is."""
    tops = {name.split("/")[0] for name in names}
    found = [f"unexpected {top}" for top in tops - PACKAGES if not top.endswith(".dist-info")]
    found += [
        f"no {package}/py.typed" for package in PACKAGES if f"{package}/py.typed" not in names
    ]
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in ROOT.glob(f"{package}/**/*.py")
    }
    found += [f"missing {name}" for name in wanted - set(names)]
    if not any(name.endswith("dist-info/entry_points.txt") for name in names):
        found.append("no entry points")
    return sorted(found)


def main() -> int:
    """Return 0 if the wheel is as it should be."""
    with tempfile.TemporaryDirectory() as target:
        wheel = build(Path(target))
        names = zipfile.ZipFile(wheel).namelist()
    wrong = faults(names)
    for fault in wrong:
        sys.stderr.write(f"{wheel.name}: {fault}\n")
    if not wrong:
        sys.stdout.write(f"{wheel.name}: {len(names)} files, as it should be\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
