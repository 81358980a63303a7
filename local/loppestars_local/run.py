"""`loppestars-local run`: take the folder and the port, run the platform, say how it ended."""

import os
import signal

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.signals import Interrupted, Interruptions
from loppestars_local.console import say
from loppestars_local.data_folder import DataFolder, FolderInUse, FolderUnusable
from loppestars_local.machine import ComponentDied, Machine
from loppestars_local.ports import PortInUse, check_port
from loppestars_local.postgres import PostgresDidNotStart
from loppestars_local.settings import SettingsRefused, check_servers, load_run_settings


def run() -> int:
    """Run the platform until it is interrupted or a component dies; return the exit code."""
    interruptions = Interruptions()
    interruptions.listen()
    # Photos, logs and the database are for the owner of this run only, whatever component writes them.
    os.umask(0o077)
    try:
        settings = load_run_settings()
        folder = DataFolder(settings.data_dir)
        check_port(settings.port)
        check_servers(settings)
        folder.acquire()
    except (SettingsRefused, FolderInUse, FolderUnusable, PortInUse) as error:
        say(str(error))
        return ExitCode.USAGE
    machine = Machine(settings, folder, interruptions.pause)
    try:
        machine.start()
        machine.watch()
    except Interrupted as request:
        say("\nStopping …")
        # Ctrl-C is the ordinary end of `make run`.
        return ExitCode.DONE if request.number is signal.SIGINT else request.exit_code
    except FolderUnusable as error:
        say(str(error))
        return ExitCode.USAGE
    except (ComponentDied, PostgresDidNotStart) as error:
        say(f"\n{error}\nLogs are in {folder.logs}. Stopping the rest …")
        return getattr(error, "exit_code", ExitCode.FAILED)
    finally:
        machine.stop()
        folder.release()
    return ExitCode.DONE
