"""``bodega doctor``: what Bodega finds on this machine, and how what is wrong is mended."""

import dataclasses
from typing import TYPE_CHECKING

import click

from bodega.cli.exit_codes import FAILED
from bodega.cli.server import Server, client_command

if TYPE_CHECKING:
    from bodega.cli.doctor.finding import Finding

_COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.command(epilog="Example: bodega doctor --json")
@client_command
def doctor(server: Server) -> None:
    """Tell what is found here, and what mends what is wrong.

    Ends with 1 if something is wrong.
    """
    from bodega.cli.doctor import device, machine, server_state, storage
    from bodega.cli.json_output import print_json

    findings = [
        *machine.findings(),
        *device.findings(),
        *server_state.findings(server),
        *storage.findings(),
    ]
    if server.as_json:
        print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if any(finding.state == "wrong" for finding in findings):
        raise click.exceptions.Exit(FAILED)


def _print(findings: "list[Finding]") -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        state = click.style(f"{finding.state:5}", fg=_COLOURS[finding.state])
        click.echo(f"{state}  {finding.name:{width}}  {finding.text}")
        if finding.mend is not None:
            click.echo(f"{'':5}  {'':{width}}  To mend it: {finding.mend}")
