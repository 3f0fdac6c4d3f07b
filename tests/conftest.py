"""Every program that a test compiles is verified between all steps."""

import os

os.environ.setdefault("AD_COMPILER_VERIFY", "1")
