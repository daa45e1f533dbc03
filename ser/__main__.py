"""``python -m ser`` is the command ``ser``."""

import sys

from ser.cli import entry

sys.exit(entry())
