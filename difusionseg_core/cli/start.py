"""The start of installed programs: import the module, then run its `main()`.

Importing takes a second or more. An interrupt in that time ends the program without a traceback,
and a missing package is reported with the line that installs it.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

from difusionseg_core.backends.installation import how_to_install

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def start(module: str, interrupted: int) -> int:
    """Import `module` and run its main(); returns the exit status.

    `interrupted` is the status after SIGINT or SIGTERM during the import.
    """
    # Nothing is running yet, so there is nothing to clean up.
    handlers = {
        number: signal.signal(number, lambda *_: os._exit(interrupted)) for number in _INTERRUPTS
    }
    try:
        main = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __package__.partition(".")[0], module.partition(".")[0]):
            raise  # a broken installation of this package: the traceback is wanted
        print(f"{Path(sys.argv[0]).name}: {how_to_install(package)}", file=sys.stderr)
        return 1
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return main()
