"""How hypothesis searches: briefly by default, long under `make fuzz`.

No deadline per example: a loaded machine is not a bug.
"""

import os

from hypothesis import settings

settings.register_profile("short", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
