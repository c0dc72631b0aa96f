"""A process that says what its environment is, and then may sleep."""

import os
import sys
import time

sys.stdout.write("\n".join(os.environ))
sys.stdout.flush()
if sys.argv[1:] == ["sleep"]:
    time.sleep(60)
