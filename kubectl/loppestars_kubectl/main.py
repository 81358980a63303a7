"""`kubectl loppestars`: the state of a stack, what a change would do, crawls, sleep, backups."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final

import typer
import yaml
from rich.console import Console
from rich.text import Text

from loppestars_core.kit.cli import Json, epilog, fail, program, show_json
from loppestars_core.kit.cli import run as run_command
from loppestars_kubectl import following
from loppestars_kubectl.cluster import CRAWLS, STACKS, Cluster, KubectlError, NotFound
from loppestars_kubectl.finite import crawl_of, job_from, restore_job
from loppestars_kubectl.tree import tree_of, utc_now
from loppestars_operator.naming import STACK_KIND, STACK_LABEL

Object = dict[str, Any]

WRONG_USAGE: Final = 2
CHANGES: Final = 3
WAIT_SECONDS: Final = 600.0
COMPONENTS: Final = ("api", "imaging", "jobs", "crawler", "migrate", "sweep", "backup", "drill", "restore")
_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}

app: Final = program(
    "kubectl loppestars",
    "What people do with a LoppestarsStack each day.",
    epilog=epilog(
        examples=[
            "kubectl loppestars status -n fair",
            "kubectl loppestars plan -f stack.yaml",
            "kubectl loppestars crawl --source markedskalenderen --follow",
            "kubectl loppestars hibernate --wait",
        ],
        notes="Where a namespace has one stack, its name may be left out.\n"
        "exit codes: 0 done, 1 it failed, 2 wrong usage, 3 `plan --exit-code` found changes",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works: kubectl's options, and the stack."""

    cluster: Cluster
    stack: Object

    @property
    def name(self) -> str:
        """Name of the stack."""
        name: str = self.stack["metadata"]["name"]
        return name

    def read(self) -> Object:
        """Return the stack as it is now."""
        return self.cluster.get(STACKS, self.name)


Name = Annotated[str, typer.Argument(help="Name of the stack; not needed where there is one.", show_default=False)]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace; that of the context otherwise.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is so.")]
Follow = Annotated[bool, typer.Option("--follow", help="Wait for the end, and tell how it goes.")]


@contextmanager
def reported() -> Iterator[None]:
    """Print what kubectl said, or that time ran out, and end with 1."""
    try:
        yield
    except (KubectlError, following.TooLate, ValueError) as error:
        fail(str(error))


def cluster_of(namespace: str, context: str) -> Cluster:
    """Return the cluster that the options name."""
    options = {"--namespace": namespace, "--context": context}
    return Cluster([f"{name}={value}" for name, value in options.items() if value])


def place_of(name: str, namespace: str, context: str) -> Place:
    """Return where the options say that a command works."""
    cluster = cluster_of(namespace, context)
    stack = cluster.stack(name or None)
    # From here on in the stack's own namespace, whatever the context says meanwhile.
    return Place(cluster_of(stack["metadata"]["namespace"], context), stack)


@app.command()
def status(name: Name = "", namespace: Namespace = "", context: Context = "", *, json: Json = False) -> None:
    """Show a stack as a tree: conditions with their reasons first, then its parts."""
    with reported():
        place = place_of(name, namespace, context)
        if json:
            show_json(place.stack.get("status") or {})
            return
        pods = place.cluster.list("pods", f"--selector={STACK_LABEL}={place.name}")
        tree = tree_of(place.stack, place.cluster.list(CRAWLS), pods, utc_now())
        Console(highlight=False).print(tree)


@app.command()
def plan(
    file: Annotated[str, typer.Option("--file", "-f", help="YAML with stacks, or - for standard input.")],
    namespace: Namespace = "",
    context: Context = "",
    *,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 3 where anything would change.")] = False,
) -> None:
    """Show what applying a stack would do, as steps and as a difference of all objects. Nothing is written."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    stacks = [body for body in yaml.safe_load_all(text) if body and body.get("kind") == STACK_KIND]
    if not stacks:
        fail(f"{file} has no {STACK_KIND}", WRONG_USAGE)
    console, changes = Console(highlight=False, soft_wrap=True), False
    with reported():
        for body in stacks:
            cluster = cluster_of(namespace or body["metadata"].get("namespace", ""), context)
            groups = {version.rpartition("/")[0] for version in cluster.run("api-versions").split()}
            found = rendering().preview(known(cluster, body), cluster.would_be(body), frozenset(groups))
            changes = changes or bool(found.lines)
            console.print(Text(f"{body['metadata']['name']}", "bold"))
            for step in found.steps or ["changes nothing"]:
                console.print(Text(f"  • {step}"))
            for line in found.lines:
                bold = line.startswith(("+++", "---"))
                console.print(Text(line, "bold" if bold else _STYLES.get(line[:1], "")))
    if changes and exit_code:
        raise typer.Exit(CHANGES)


def rendering() -> ModuleType:
    """Return the part that renders, which the other commands do without."""
    try:
        from loppestars_kubectl import preview  # noqa: PLC0415 - slow to import, and compiled for one Python
    except ImportError as error:
        built_for = os.environ.get("KUBECTL_LOPPESTARS_BUILT_FOR", "another Python")
        fail(f"this command needs the Python that the plugin was built for, {built_for}: {error}")
    return preview


def known(cluster: Cluster, body: Object) -> Object | None:
    """Return the stack as it is; None where there is none yet."""
    try:
        return cluster.get(STACKS, body["metadata"]["name"])
    except NotFound:
        return None


@app.command()
def crawl(  # noqa: PLR0913 - the options of a command
    name: Name = "",
    namespace: Namespace = "",
    context: Context = "",
    source: Annotated[list[str] | None, typer.Option("--source", help="A source to crawl; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Items per source at most.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fetch and extract, write nothing.")] = False,
    follow: Follow = False,
) -> None:
    """Ask for a crawl now."""
    with reported():
        place = place_of(name, namespace, context)
        made = place.cluster.create(crawl_of(place.stack, source or [], limit, dry_run=dry_run))["metadata"]["name"]
        if not follow:
            typer.echo(f"crawl {made} is asked for; kubectl get crawl {made} -w follows it")
            return
        found = following.follow(
            lambda: place.cluster.get(CRAWLS, made),
            following.crawl_line,
            lambda body: (body.get("status") or {}).get("state") in following.FINISHED,
            24 * 3600,
        )
    if found["status"]["state"] != "Succeeded":
        raise typer.Exit(1)


@app.command()
def retry(name: Name = "", namespace: Namespace = "", context: Context = "") -> None:
    """Try again what failed: a migration, or a version that was rolled back."""
    with reported():
        place = place_of(name, namespace, context)
        place.cluster.ask_retry(place.name, utc_now().isoformat(timespec="seconds"))
    typer.echo(f"{place.name} is tried again")


@app.command()
def pause(name: Name = "", namespace: Namespace = "", context: Context = "") -> None:
    """Let the operator leave a stack alone."""
    change(name, namespace, context, {"paused": True}, ("Paused",), wait=False)


@app.command()
def resume(name: Name = "", namespace: Namespace = "", context: Context = "", *, wait: Wait = False) -> None:
    """Let the operator go on with a paused stack."""
    change(name, namespace, context, {"paused": False}, ("Ready", "Hibernated"), wait=wait)


@app.command()
def hibernate(name: Name = "", namespace: Namespace = "", context: Context = "", *, wait: Wait = False) -> None:
    """Take a stack's pods to zero; data and routes stay."""
    change(name, namespace, context, {"hibernated": True}, ("Hibernated",), wait=wait)


@app.command()
def wake(name: Name = "", namespace: Namespace = "", context: Context = "", *, wait: Wait = False) -> None:
    """Wake a hibernated stack as it was."""
    change(name, namespace, context, {"hibernated": False}, ("Ready",), wait=wait)


def change(  # noqa: PLR0913 - what its commands hand on
    name: str, namespace: str, context: str, fields: Object, phases: Sequence[str], *, wait: bool
) -> None:
    """Set fields of the spec, and wait for the phase that follows where that is asked for."""
    with reported():
        place = place_of(name, namespace, context)
        place.cluster.set_spec(place.name, **fields)
        typer.echo(
            f"{place.name}: " + ", ".join(f"spec.{field} is {str(value).lower()}" for field, value in fields.items())
        )
        if wait:
            settled = partial(following.is_settled, phases=phases)
            following.follow(place.read, following.phase_line, settled, WAIT_SECONDS)


@app.command()
def logs(  # noqa: PLR0913 - the options of a command
    component: Annotated[str, typer.Argument(help=", ".join(COMPONENTS))],
    name: Name = "",
    namespace: Namespace = "",
    context: Context = "",
    tail: Annotated[int, typer.Option("--tail", min=-1, help="Lines of each pod; -1 for all.")] = 50,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
) -> None:
    """Show the logs of a component's pods."""
    if component not in COMPONENTS:
        fail(f"{component!r} is not a component; there are {', '.join(COMPONENTS)}", WRONG_USAGE)
    with reported():
        place = place_of(name, namespace, context)
    selector = f"--selector={STACK_LABEL}={place.name},app.kubernetes.io/component={component}"
    more = ["--follow", "--max-log-requests=50"] if follow else []
    code = place.cluster.stream("logs", selector, f"--tail={tail}", "--prefix", "--all-containers", *more)
    if code:
        raise typer.Exit(code)


@app.command()
def backup(name: Name = "", namespace: Namespace = "", context: Context = "", *, follow: Follow = False) -> None:
    """Make a backup now."""
    run_now("backup", name, namespace, context, follow=follow)


@app.command()
def drill(name: Name = "", namespace: Namespace = "", context: Context = "", *, follow: Follow = False) -> None:
    """Rehearse a restore now."""
    run_now("drill", name, namespace, context, follow=follow)


def run_now(what: str, name: str, namespace: str, context: str, *, follow: bool) -> None:
    """Run the Job of a schedule once."""
    with reported():
        place = place_of(name, namespace, context)
        try:
            schedule = place.cluster.get("cronjobs", f"{place.name}-{what}")
        except NotFound:
            raise KubectlError(f"{place.name} has no schedule of {what}s; spec.backup makes it") from None
        start(place, job_from(schedule, suffix()), follow=follow)


def start(place: Place, job: Object, *, follow: bool) -> None:
    """Create a Job, and wait for its end where that is asked for."""
    made = place.cluster.create(job)["metadata"]["name"]
    if not follow:
        typer.echo(f"job {made} is made; kubectl logs -f job/{made} follows it")
        return
    read = partial(place.cluster.get, "jobs", made)
    ended = following.follow(read, following.job_line, lambda job: bool(following.job_end(job)), 24 * 3600)
    sys.stdout.write(place.cluster.run("logs", f"job/{made}", "--all-containers", "--tail=5"))
    if following.job_end(ended) == "Failed":
        raise typer.Exit(1)


def suffix() -> str:
    """Return what keeps the Jobs of one name apart."""
    return utc_now().strftime("%m%d%H%M%S")


@app.command()
def restore(  # noqa: PLR0913 - the options of a command
    backup_id: Annotated[str, typer.Option("--backup", help="Id of the backup; the newest otherwise.")] = "",
    name: Name = "",
    namespace: Namespace = "",
    context: Context = "",
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Drop what the database holds first.")] = False,
    follow: Follow = False,
) -> None:
    """Restore a backup into a hibernated stack, and migrate what is older than its version."""
    with reported():
        place = place_of(name, namespace, context)
        if not following.is_settled(place.stack, ["Hibernated"]):
            raise KubectlError(f"{place.name} is not hibernated; first: kubectl loppestars hibernate --wait")
        job = restore_job(
            rendering().migration_of(place.stack), place.name, suffix(), backup_id or None, replace=replace
        )
        start(place, job, follow=follow)
    typer.echo("when it has succeeded: kubectl loppestars wake --wait")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the command line names."""
    run_command(app, arguments)


if __name__ == "__main__":
    main()
