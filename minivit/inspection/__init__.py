"""The inspection assistant: it looks at a panel, writes a report, looks up what to do, and says how sure it is.

`views` cut the whole and the near view out of a picture, `words` are all that is said, `grammar` holds what is written
to a form, `records` and `tools` are what may be called, `assistant` is the model with its bridge and `mind` what the
loop sees of it, `claims` and `agent` are that loop, `ocr` is another reader of codes, `scores` the three scorecards.
Needs pydantic, from the extra [lessons]; `ocr` needs pytesseract, from the extra [ocr], and the engine itself.
"""
