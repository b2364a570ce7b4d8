"""Feeds arbitrary bytes to every decoder: each gives a value or its one error, nothing else.

    python tests/fuzz/fuzz_decoders.py --seconds 60 [--only segment] [--corpus DIRECTORY]

Guided by coverage where atheris is installed (`pip install atheris`), else random bytes from
Hypothesis. Log and snapshot decoders may raise Corruption, wire decoders ProtocolError, ZeroMQ's
wire protocol ZmtpError; what a decoder accepts must survive being encoded again. Seeds are the
golden files and small frames.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

if importlib.util.find_spec("atheris") is not None and "--child" in sys.argv:
    import atheris  # type: ignore[import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["coord", "transport"]):
        from coord.testing import decoder_targets
else:
    from coord.testing import decoder_targets

EXIT_FOUND = 1


def main() -> int:
    """Fuzz each target for its share of the time; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=sorted(decoder_targets.TARGETS))
    parser.add_argument("--corpus", type=Path, help="kept and grown between runs")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        fuzz_guided(arguments.child, arguments.seconds, arguments.corpus)
        return 0
    names = [arguments.only] if arguments.only else sorted(decoder_targets.TARGETS)
    share = arguments.seconds / len(names)
    guided = importlib.util.find_spec("atheris") is not None
    with tempfile.TemporaryDirectory(prefix="coord-fuzz-") as scratch:
        failed = [
            name
            for name in names
            if not (
                run_guided(name, share, arguments.corpus or Path(scratch))
                if guided
                else run_random(name, share)
            )
        ]
    print("failed:" if failed else "nothing found", *failed)  # noqa: T201
    return EXIT_FOUND if failed else 0


def run_guided(name: str, seconds: float, corpus: Path) -> bool:
    """Fuzz one target in a process of its own, as libFuzzer ends the process."""
    directory = corpus / name
    directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(decoder_targets.seeds(name, ROOT / "tests" / "golden")):
        (directory / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, __file__, "--child", name, "--seconds", str(seconds)]
    done = subprocess.run(
        [*command, "--corpus", str(directory)], capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    summary = [line for line in lines if "DONE" in line or "Done" in line][-1:]
    print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'} {' '.join(summary)}")  # noqa: T201
    if done.returncode:
        print("\n".join(lines[-40:]))  # noqa: T201
    return done.returncode == 0


def fuzz_guided(name: str, seconds: float, corpus: Path) -> None:
    """Let atheris drive one target; does not return."""
    options = [f"-max_total_time={max(1, round(seconds))}", "-max_len=8192", "-rss_limit_mb=1024"]
    artifacts = f"-artifact_prefix={tempfile.gettempdir()}/coord-fuzz-{name}-"
    atheris.Setup([sys.argv[0], *options, artifacts, str(corpus)], decoder_targets.TARGETS[name])
    atheris.Fuzz()


def run_random(name: str, seconds: float) -> bool:
    """Feed one target random bytes and damaged seeds for a while."""
    return decoder_targets.run_random(name, seconds, ROOT / "tests" / "golden")


if __name__ == "__main__":
    sys.exit(main())
