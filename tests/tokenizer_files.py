"""Small tokenizer.json files in the formats of the released ones: CLIP's, SigLIP's and SigLIP 2's."""

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors


def clip(folder: Path) -> Path:
    """Pieces of bytes that know where a word ends, the start and the end as the two highest ids."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("ca", "t</w>"), ("p", "h"), ("o", "t"), ("ph", "ot"), ("phot", "o</w>"), ("o", "f</w>")]
    merges += [("d", "o"), ("do", "g"), ("dog", "s</w>"), ("r", "e"), ("re", "d</w>"), ("'", "s</w>")]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *(one + two for one, two in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    model = models.BPE(
        vocab, merges, end_of_word_suffix="</w>", continuing_subword_prefix="", unk_token="<|endoftext|>"
    )
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    cuts = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(cuts), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    ends = ("<|endoftext|>", vocab["<|endoftext|>"]), ("<|startoftext|>", vocab["<|startoftext|>"])
    made.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    made.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return saved(made, folder)


def siglip(folder: Path) -> Path:
    """Pieces by their probability, an underscore for the space before a word; 1 is the end and 2 what is unknown."""
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁a", -2.5),
        ("▁cat", -4.0),
        ("▁photo", -4.0),
    ]
    pieces += [("▁of", -3.0), ("▁dog", -4.0), ("s", -3.0), ("▁isnt", -5.0), ("▁its", -5.0)]
    pieces += [(letter, -6.0) for letter in "abcdefghijklmnopqrtuvwxyz"]
    made = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    made.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return saved(made, folder)


def siglip2(folder: Path) -> Path:
    """Gemma's: it keeps the case, writes spaces as underscores and spells unknown letters in bytes."""
    merges = [("c", "a"), ("ca", "t"), ("▁", "cat"), ("d", "o"), ("do", "g"), ("▁", "dog"), ("▁", "a"), ("o", "f")]
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [*"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *(one + two for one, two in merges)]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocab, merges, fuse_unk=True, unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    made.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    return saved(made, folder)


def saved(made: Tokenizer, folder: Path) -> Path:
    """With cutting and padding switched on, as some released files have them: the reader must not rely on either."""
    made.enable_truncation(5)
    made.enable_padding(length=7, pad_id=0, pad_token="!")
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


MAKERS = {"clip": clip, "siglip": siglip, "siglip2": siglip2}
