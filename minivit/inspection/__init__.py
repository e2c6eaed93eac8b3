"""The inspection assistant: it looks at a panel, writes a report, looks up what to do, and says how sure it is.

`views` cut the whole and the near view out of a picture, `words` are all that is said, `grammar` holds what is written
to a form, `records` and `tools` are what may be called, `assistant` is the model with its bridge and `mind` what the
loop sees of it, `claims` and `agent` are that loop, `ocr` is another reader of codes, `scores` the three scorecards and
`whatif` what would mend them.
Needs pydantic, from the extra [lessons]; `ocr` needs pytesseract, from the extra [ocr], and the engine itself.
"""

from minivit.inspection.agent import Described, Inspection, Located, Mind, Seen, Step, inspect
from minivit.inspection.assistant import Assistant, Said, Slots, confidence
from minivit.inspection.grammar import Grammar
from minivit.inspection.mind import AssistantMind
from minivit.inspection.ocr import Reading, available, read_code
from minivit.inspection.records import Asset, Policy, find_asset, look_up_policy
from minivit.inspection.tools import Result, Tool, Tools
from minivit.inspection.views import crop, square, whole

__all__ = [
    "Asset", "Assistant", "AssistantMind", "Described", "Grammar", "Inspection", "Located", "Mind", "Policy", "Reading",
    "Result", "Said", "Seen", "Slots", "Step", "Tool", "Tools", "available", "confidence", "crop", "find_asset",
    "inspect", "look_up_policy", "read_code", "square", "whole",
]  # fmt: skip
