"""``python -m ser`` is the command ``ser``."""

import sys

from ser.cli import main

sys.exit(main())
