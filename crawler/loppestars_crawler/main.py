"""Entry point of `loppestars-crawler`."""

import argparse


def main() -> None:
    """Parse the command line."""
    argparse.ArgumentParser(prog="loppestars-crawler", description=__doc__).parse_args()
