"""``kif completion``: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion of SHELL; put its output where the shell reads it."""
    kif = context.find_root()
    made = get_completion_class(shell)
    if made is not None:
        click.echo(made(kif.command, {}, "kif", "_KIF_COMPLETE").source())
