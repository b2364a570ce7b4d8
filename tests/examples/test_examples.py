"""Every example runs as it stands and prints what it should, twice."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

PRINTED = {
    "01_put_get.py": """\
hello
True False
good day
""",
    "02_watch.py": """\
at start {'rate': '100'}
set rate 250
set host 10.0.0.7
gone host (deleted)
at end {'rate': '250'}
""",
    "03_election.py": """\
elected: first
first may write: True
elected: second, with a greater token: True
first may write: False
""",
    "04_queue.py": """\
careless holds one
careful completed one attempt 2
careful completed two attempt 1
careful completed three attempt 1
the late completion was refused
3 done, 0 waiting
""",
    "05_registry.py": """\
10.0.0.1:80 {'zone': 'north'}
10.0.0.2:80 {}
picked 10.0.0.1:80 10.0.0.2:80 10.0.0.1:80
picked 10.0.0.2:80 10.0.0.2:80 10.0.0.2:80
nobody is left
""",
    "06_config.py": """\
at start 100 []
rate is now 250
followed 250 ['10.0.0.7']
still 250
because Expected `int`, got `str`
""",
    "07_board.py": """\
awake: mail every minute
awake: notice flush all caches
awake: mail taken down
after its nap: 3 changes, in order: True
""",
    "08_monitor.py": """\
n1 came ready
n1 changed busy
n1 left busy
n2 came doomed
n2 vanished doomed
left: ()
""",
    "09_lock.py": """\
trying, bob gets it: False
bob waited for a while, and left the line
ann came first; her token is greater: True
the dead one may write: False
ann may write: True
ann let go once, bob holds it: False
ann let go twice, bob holds it: True
what bob holds, ann cannot let go
left in line: 0
""",
    "10_gated_queue.py": """\
while it is shut, taken: 0
  waits for 4 under examples/gated/queue/ready/: 3
  waits for 1: ID in examples/gated/queue/: 1
  waits for 1: signal examples/gated/go: 0
without the signal, open: False
opened; first comes check the input
then parse
then link
then publish
the signal was given as: said ann
""",
    "11_progress.py": """\
parse: 100 of 200 by w1 file 100
upload: 5 of 50 by w2
all together: 105 of 250, 2 tasks
parse: 200 of 200 by w1
""",
    "12_log_collector.py": """\
alone, c1 holds all 4
c2 has come: 2 each; 2 never stopped
two machines have come: 3 each
c1 has gone: c2 holds all 6
""",
    "13_search_index.py": """\
s1 builds
the next in line builds
2 have 1 index: all that can be found
who comes later has the same: True
""",
    "20_worker.py": """\
order 7: 42.00
attempts: 2
dead ValueError: for good
sum of 100 results: 5050
later -> order 8: 1.00
""",
    "21_console.py": """\
fired within a second: True
done "good morning, bob"
again Cron(line='0 7 * * MON-FRI', zone='Europe/Berlin') {'who': 'ann'}
1 ann set -
2 bob set too early
3 ann undo no
""",
    "22_batch_pipeline.py": """\
5 of 5+ done, 100 %
yes stage add has ended well
no  signal go was given
done ['published 30']
""",
    "23_testing.py": """\
one: letter to ann
spawned: 2 ['ann', 'bob', 'eve']
failed once: later 1
needs time
third attempt: letter to joe 3
parked by the limit: 1
parked later: 0
puts itself off: True
to all: 2
asked again: enough
""",
}


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_should_however_often_it_is_run(
    name: str, environment: dict[str, str]
) -> None:
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, str(EXAMPLES / name)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.stdout, ran.stderr, ran.returncode) == (PRINTED[name], "", 0)


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("[0-9]*.py")) == sorted(PRINTED)


def test_every_example_fits_on_a_page() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 80, path.name
