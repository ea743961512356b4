"""The results of an evaluation under way, kept image by image, so that a killed run can go on.

They are made in NAME.unfinished beside the result NAME, which appears whole, by a rename.
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
    """A folder of results under way, `folder`; `done` are the scores of the images before.

    `options` say what is evaluated and how: plain values. Raises ValueError, in one line, where a
    run with other options was begun, or one is going on, and FileExistsError where there is
    something at `output`.
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
            raise ValueError(f"another run is at work in {self.folder}") from None
        if not resumes:
            write_file(self.folder / RUN, _text({"options": self.options}))
        self.done = self._read()

    def add(self, scores: ImageScores) -> None:
        """Keep the scores of one more image."""
        self._file.write(json.dumps(scores.to_json()) + "\n")
        self._file.flush()
        self.done[scores.name] = scores

    def finish(self, order: Sequence[str], about: Mapping[str, object]) -> None:
        """Give the results their name, images in `order`.

        `about` the run is kept beside its options.
        """
        lines = [json.dumps(self.done[name].to_json()) + "\n" for name in order]
        write_file(self.folder / PER_IMAGE, "".join(lines))
        write_file(self.folder / RUN, _text({"options": self.options, **about}))
        self._file.close()
        if self.output.exists():
            raise FileExistsError(f"{self.output} exists; the results are in {self.folder}")
        self.folder.rename(self.output)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        shutil.rmtree(self.folder)

    def _refuse_other_options(self) -> None:
        before = json.loads((self.folder / RUN).read_text())["options"]
        keys = before.keys() | self.options.keys()
        other = sorted(key for key in keys if before.get(key) != self.options.get(key))
        if other:
            told = ", ".join(f"{key} {before.get(key)}" for key in other)
            raise ValueError(
                f"{self.folder} was begun with other options ({told}); "
                "go on with those, name another output, or remove it"
            )

    def _read(self) -> dict[str, ImageScores]:
        """What is there; a last line that was cut off is taken away."""
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
    """The scores of every image of a finished evaluation, in its order.

    Raises ValueError, in one line, for a folder that is none.
    """
    file = folder / PER_IMAGE
    if not file.is_file():
        raise ValueError(f"{folder} is no evaluation: it has no {PER_IMAGE}")
    try:
        return [ImageScores.from_json(json.loads(line)) for line in file.read_text().splitlines()]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} is damaged; evaluate again") from None
