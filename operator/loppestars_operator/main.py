"""Entry point of `loppestars-operator`."""

import argparse


def main() -> None:
    """Parse the command line."""
    argparse.ArgumentParser(prog="loppestars-operator", description=__doc__).parse_args()
