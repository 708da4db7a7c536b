"""`python -m portguard`: the command line."""

import sys

from portguard.cli import main

if __name__ == "__main__":
    sys.exit(main())
