"""`python -m ad_compiler`."""

import sys

from ad_compiler.command_line import main

if __name__ == "__main__":
    sys.exit(main())
