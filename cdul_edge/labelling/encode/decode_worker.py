"""A decoding process, started by `decoding` as a module with the number of a file descriptor.

It reads lines of JSON, the plan and then one line a batch, and answers each batch with a line; the
pixels go into the shared memory behind the file descriptor FD.
"""

from __future__ import annotations

import json
import sys
from typing import IO

from cdul_edge.labelling.encode.decoding import DecodingPlan, as_slots, decode_batch


def serve(requests: IO[bytes], answers: IO[bytes], memory: IO[bytes]) -> None:
    """Answer until `requests` ends."""
    plan = DecodingPlan.from_dict(json.loads(requests.readline()))
    slots = as_slots(memory, plan)
    for line in requests:
        request = json.loads(line)
        outcome = decode_batch(plan, request["paths"], slots[request["slot"]])
        answer = {"sizes": outcome.sizes, "reasons": outcome.reasons}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    with open(int(sys.argv[1]), "r+b", buffering=0) as memory_file:
        try:
            serve(sys.stdin.buffer, sys.stdout.buffer, memory_file)
        except BrokenPipeError:  # the parent is gone
            sys.stderr.close()
