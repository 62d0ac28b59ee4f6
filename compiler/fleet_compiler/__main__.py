"""``python -m fleet_compiler`` is the ``fleet`` command."""

from fleet_compiler.cli import main

main()
