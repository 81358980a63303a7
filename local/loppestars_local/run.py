"""`loppestars-local run`: take the folder and the port, run the platform, say how it ended."""

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_local.console import say
from loppestars_local.data_folder import DataFolder, FolderInUse, FolderUnusable
from loppestars_local.interruptions import Interrupted, Interruptions
from loppestars_local.machine import ComponentDied, Machine
from loppestars_local.ports import PortInUse, check_port
from loppestars_local.postgres import PostgresDidNotStart
from loppestars_local.settings import RunSettings


def run(settings: RunSettings) -> int:
    """Run the platform until it is interrupted or a component dies; return the exit code."""
    interruptions = Interruptions()
    interruptions.listen()
    folder = DataFolder(settings.data_dir)
    try:
        check_port(settings.port)
        folder.acquire()
    except (FolderInUse, FolderUnusable, PortInUse) as error:
        say(str(error))
        return ExitCode.USAGE
    machine = Machine(settings, folder, interruptions.pause)
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
        machine.stop()
        folder.release()
    return ExitCode.DONE
