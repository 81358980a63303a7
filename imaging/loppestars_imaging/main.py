"""Entry point of `loppestars-imaging`."""

import argparse


def main() -> None:
    """Parse the command line."""
    argparse.ArgumentParser(prog="loppestars-imaging", description=__doc__).parse_args()
