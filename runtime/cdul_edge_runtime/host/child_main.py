"""The first thing that a child Python of ours runs; see `child_python`.

Nothing may be imported above the line that sets the path: until then it may lead anywhere.
"""

import sys

if __name__ == "__main__":
    _count = int(sys.argv[1])
    sys.path[:] = sys.argv[2 : 2 + _count]
    _code = sys.argv[2 + _count]
    sys.argv[:] = ["-c", *sys.argv[3 + _count :]]
    exec(_code, {"__name__": "__main__"})
