from fleet_compiler.diagnostics import Diagnostic
from fleet_compiler.document import Document
from fleet_compiler.model import Fleet
def check_fleet(fleet: Fleet, document: Document) -> list[Diagnostic]:
    return []
