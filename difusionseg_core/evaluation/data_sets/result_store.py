"""Results of an evaluation in progress, stored image by image, so that a killed run can continue.

They are made in NAME.unfinished beside the result NAME, which appears complete, by a rename.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from difusionseg_core.evaluation.data_sets.image_scores import ImageScores
from difusionseg_core.files import refuse_existing, write_file

PER_IMAGE, RUN = "per_image.jsonl", "run.json"


class Store:
    """The folder of results in progress, `folder`; `done` holds the scores so far, by image.

    `options` are plain values about the evaluation. Raises ValueError, in one line, if a run
    with other options was started before or another run is active, and FileExistsError if `output`
    exists.
    """

    def __init__(self, output: Path, options: Mapping[str, object]) -> None:
        self.output, self.options = output, dict(options)
        self.folder = output.with_name(f"{output.name}.unfinished")
        refuse_existing(output)
        resumes = (self.folder / RUN).is_file()
        if resumes:
            self._refuse_other_options()
        else:
            if self.folder.exists() and any(self.folder.iterdir()):
                raise FileExistsError(f"{self.folder} exists; name another output or remove it")
            self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / PER_IMAGE).open("a+")  # noqa: SIM115, open until `finish`
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another run is active in {self.folder}") from None
        if not resumes:
            write_file(self.folder / RUN, _text({"options": self.options}))
        self.done = self._read()

    def add(self, scores: ImageScores) -> None:
        """Keep the scores of one more image."""
        self._file.write(json.dumps(scores.to_json()) + "\n")
        self._file.flush()
        self.done[scores.name] = scores

    def finish(self, order: Sequence[str], about: Mapping[str, object]) -> None:
        """Move the results to their final name, images in `order`.

        `about` describes the run and is stored beside its options.
        """
        lines = [json.dumps(self.done[name].to_json()) + "\n" for name in order]
        write_file(self.folder / PER_IMAGE, "".join(lines))
        write_file(self.folder / RUN, _text({"options": self.options, **about}))
        self._file.close()
        if self.output.exists():
            raise FileExistsError(f"{self.output} exists; the results are in {self.folder}")
        self.folder.rename(self.output)

    def discard(self) -> None:
        """Remove everything."""
        self._file.close()
        shutil.rmtree(self.folder)

    def _refuse_other_options(self) -> None:
        before = json.loads((self.folder / RUN).read_text())["options"]
        keys = before.keys() | self.options.keys()
        other = sorted(key for key in keys if before.get(key) != self.options.get(key))
        if other:
            found = ", ".join(f"{key} {before.get(key)}" for key in other)
            raise ValueError(
                f"{self.folder} was started with other options ({found}); "
                "continue with those, name another output, or remove it"
            )

    def _read(self) -> dict[str, ImageScores]:
        """Return the scores that are there; a truncated last line is removed."""
        self._file.seek(0)
        done, whole = {}, 0
        for line in iter(self._file.readline, ""):
            try:
                scores = ImageScores.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError):
                break
            done[scores.name] = scores
            whole = self._file.tell()
        self._file.truncate(whole)
        return done


def _text(values: Mapping[str, object]) -> str:
    return json.dumps(values, indent=2) + "\n"


def read_results(folder: Path) -> list[ImageScores]:
    """Read the scores of every image of a finished evaluation, in order.

    Frames of several recordings are named RECORDING/STAMP. Raises ValueError, in one line, for a
    folder that is not an evaluation.
    """
    if (folder / PER_IMAGE).is_file():
        return _read_file(folder / PER_IMAGE)
    parts = sorted(folder.glob(f"*/{PER_IMAGE}"))
    if not parts or not (folder / "summary.json").is_file():
        raise ValueError(f"{folder} is not an evaluation: it has no {PER_IMAGE}")
    results = []
    for part in parts:
        for scores in _read_file(part):
            scores.name = f"{part.parent.name}/{scores.name}"
            results.append(scores)
    return results


def _read_file(file: Path) -> list[ImageScores]:
    try:
        return [ImageScores.from_json(json.loads(line)) for line in file.read_text().splitlines()]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} is damaged; evaluate again") from None
