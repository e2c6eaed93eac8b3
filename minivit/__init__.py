"""minivit: vision transformers, CLIP and vision-language models, one idea a file.

Reading order: patches, images, reports, panels; `teach` holds what the lessons use besides. Importing `minivit` alone
loads nothing heavy; import the module you read about.
"""

__version__ = "0.1.0"
