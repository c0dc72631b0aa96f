"""A training child without training: it does what the file ``script`` in its corpus tells it.

Run as ``python trainee.py CORPUS FOLDER REGISTRY [STYLE]``; writes the same files as the real
one. With a style, versions are its own, and named after it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
from pathlib import Path

from models.registry import Registry

corpus, folder, root = map(Path, sys.argv[1:4])
style = sys.argv[4] if len(sys.argv) > 4 else None
prefix = f"{style}." if style else ""
script = (corpus / "script").read_text().strip()


#: The smallest PNG there is.
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


def end(state: str, sentence: str, version: str | None = None) -> None:
    figures, live = {"bits_per_byte": 1.51}, {"bits_per_byte": 1.48}
    outcome: dict[str, object] = {"state": state, "sentence": sentence, "version": version}
    outcome |= {"figures": figures, "live": live} if version else {}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    raise SystemExit(1 if state == "failed" else 0)


def publish(name: str, alias: str = "live") -> str:
    made = folder / "candidate"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"name": name}))
    (made / "README.md").write_text(f"# {name}")
    registry = Registry(root, None)
    name += f"-{style}-{len(registry.versions('essay'))}" if style else ""
    registry.publish("essay", name, made, parent="e-1", facts={"seed": 1, "corpus": "c" * 64})
    registry.move_alias("essay", prefix + alias, name, "better")
    return name


with (folder / "progress.jsonl").open("a") as progress:
    for step in range(1, 4):
        line = {
            "step": step,
            "steps": 3,
            "loss": 3.0 - step,
            "eta_s": 3 - step,
            "fraction": step / 3,
        }
        progress.write(json.dumps(line) + "\n")
        progress.flush()
        time.sleep(0.02)
    progress.write(json.dumps({"step": 3, "held_out": {"score": 1.25}}) + "\n" + '{"step": 4, "lo')
print("epoch 1\repoch 2\rthreads", os.environ["OMP_NUM_THREADS"], "nice", os.nice(0), flush=True)  # noqa: T201
print("token", os.environ.get("DISCORD_TOKEN"), flush=True)  # noqa: T201

samples = folder / "own" / "samples"
samples.mkdir(parents=True, exist_ok=True)
(samples / "0000003.txt").write_text("The sea, said the teacher, is wide.")
(folder / "own" / "checkpoint.json").write_text("{}")
(folder / "loss.png").write_bytes(base64.b64decode(PICTURE))

match script:
    case "promote":
        end("promoted", "It is 3 % better.", publish("e-2"))
    case "candidate":
        end("refused", "It is 2 % worse.", publish("e-3", "candidate"))
    case "refuse":
        end("refused", "It is 2 % worse.")
    case "say":
        end("failed", "No essay has a mark.")
    case "memory":
        raise MemoryError
    case "disk":
        raise OSError(28, "No space left on device")
    case "nan":
        print("Loss is nan at step 3", flush=True)  # noqa: T201
        raise SystemExit(1)
    case "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    case "crash":
        raise ZeroDivisionError("deep inside")
    case "wait":
        while not (folder / "stop").exists():
            time.sleep(0.02)
        end("stopped", "Stopped at step 3.")
    case "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)  # noqa: T201
        time.sleep(60)
