"""`python -m nmfbench`."""

import sys

from nmfbench.cli import main

sys.exit(main())
