"""Entry point of `loppestars-api`."""

import argparse


def main() -> None:
    """Parse the command line."""
    argparse.ArgumentParser(prog="loppestars-api", description=__doc__).parse_args()
