"""Run ``extract`` and measure the seconds of training, and of scoring in it.

    python -m benchmarks.timed_training CLOCK train --plugin NAME ...

Appends a line of JSON to the file CLOCK once the last step is done: seconds of ``training`` (the
steps with their checkpoints), seconds of ``scoring`` held-out documents meanwhile, and whether the
training was ``resumed``, so that the time before is missing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NoReturn


def main(clock: Path, arguments: list[str]) -> NoReturn:
    """Run the command line ``extract``, the trainer timed; exit as it does."""
    from fieldsmith.cli import main as extract
    from fieldsmith.training import trainer

    class Timed(trainer.ExtractionTrainer):
        scored = 0.0

        def train(self, *given: Any, **options: Any) -> Any:
            began = time.perf_counter()
            result = super().train(*given, **options)
            line = {
                "training": round(time.perf_counter() - began - self.scored, 1),
                "scoring": round(self.scored, 1),
                "resumed": bool(options.get("resume_from_checkpoint")),
            }
            with clock.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
            return result

        def evaluate(self, *given: Any, **options: Any) -> dict[str, float]:
            began = time.perf_counter()
            scores = super().evaluate(*given, **options)
            self.scored += time.perf_counter() - began
            return scores

    trainer.ExtractionTrainer = Timed  # type: ignore[misc]
    extract(arguments)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
