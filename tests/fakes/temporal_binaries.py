"""Where the Temporal servers of this environment are, whether or not its scripts are on the PATH."""

import sys
from pathlib import Path

_SCRIPTS = Path(sys.executable).parent
DEV_SERVER = str(_SCRIPTS / "temporal")
TIME_SKIPPING_SERVER = str(_SCRIPTS / "temporal-test-server")
