"""`loppestars-local run`: take the folder and the port, run the platform, say how it ended."""

import signal
from types import FrameType

from loppestars_core.exit_codes import ExitCode
from loppestars_local.console import say
from loppestars_local.data_folder import DataFolder, FolderInUse, FolderUnusable
from loppestars_local.machine import ComponentDied, Machine
from loppestars_local.ports import PortInUse, check_port
from loppestars_local.postgres import PostgresDidNotStart
from loppestars_local.settings import RunSettings


class Interrupted(Exception):
    """Somebody asked us to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = ExitCode.DONE if number == signal.SIGINT else ExitCode.TERMINATED


def run(settings: RunSettings) -> int:
    """Run the platform until it is interrupted or a component dies; return the exit code."""
    folder = DataFolder(settings.data_dir)
    try:
        check_port(settings.port)
        folder.acquire()
    except (FolderInUse, FolderUnusable, PortInUse) as error:
        say(str(error))
        return ExitCode.USAGE
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    machine = Machine(settings, folder)
    try:
        machine.start()
        machine.watch()
    except Interrupted as request:
        say("\nStopping …")
        return request.exit_code
    except (ComponentDied, PostgresDidNotStart) as error:
        say(f"\n{error}\nLogs are in {folder.path / 'logs'}. Stopping the rest …")
        return getattr(error, "exit_code", ExitCode.FAILED)
    finally:
        # A second Ctrl-C must not leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        machine.stop()
        folder.release()
    return ExitCode.DONE


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)
