"""Entry point of `loppestars-local`."""

import argparse


def main() -> None:
    """Parse the command line."""
    argparse.ArgumentParser(prog="loppestars-local", description=__doc__).parse_args()
