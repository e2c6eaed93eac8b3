"""Wrong answers to lesson 12's exercises."""

_TAKE = """
def splice(ids, slots, table, mark):
    line, k = [], 0
    for token in ids.tolist():
"""
_SHIFTED = """
def answers(logits, ids, learn):
    logits, ids, learn = logits[:, :-1], ids[:, 1:], learn[:, 1:]
    loss = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
"""

WRONG = {
    "12.splice": [
        (
            "in-front",
            """
def splice(ids, slots, table, mark):
    return torch.cat([slots.flatten(0, 1), table[ids[ids != mark]]])
""",
        ),
        (
            "behind",
            """
def splice(ids, slots, table, mark):
    return torch.cat([table[ids[ids != mark]], slots.reshape(-1, slots.shape[-1])])
""",
        ),
        (
            "mark-kept",
            _TAKE
            + """
        line.append(table[token][None])
        if token == mark:
            line.append(slots[k])
            k += 1
    return torch.cat(line)
""",
        ),
        (
            "slots-first",
            _TAKE
            + """
        if token == mark:
            line += list(slots[k])
            k += 1
        line.append(table[token])
    return torch.stack(line)
""",
        ),
        (
            "first-mark-only",
            """
def splice(ids, slots, table, mark):
    places = (ids == mark).nonzero()
    if len(places) == 0:
        return table[ids]
    at = places[0, 0]
    return torch.cat([table[ids[:at]], slots[0], table[ids[at + 1:]]])
""",
        ),
        (
            "same-picture",
            """
def splice(ids, slots, table, mark):
    return torch.cat([slots[0] if token == mark else table[token].unsqueeze(0) for token in ids])
""",
        ),
        (
            "pictures-reversed",
            """
def splice(ids, slots, table, mark):
    line = list(table[ids])
    places = [at for at, token in enumerate(ids.tolist()) if token == mark]
    for k, at in enumerate(reversed(places)):
        line[at : at + 1] = list(slots[k])
    return torch.stack(line)
""",
        ),
        (
            "slots-reversed",
            _TAKE
            + """
        if token == mark:
            at = len(line)
            for one in slots[k]:
                line.insert(at, one)
            k += 1
        else:
            line.append(table[token])
    return torch.stack(line)
""",
        ),
        (
            "one-slot",
            """
def splice(ids, slots, table, mark):
    line = table[ids].clone()
    line[ids == mark] = slots.mean(1)
    return line
""",
        ),
        (
            "only-pictures",
            """
def splice(ids, slots, table, mark):
    return torch.cat(list(slots)) if len(slots) else slots.reshape(0, table.shape[1])
""",
        ),
    ],
    "12.shuffle": [
        (
            "channel-first",
            """
def shuffle(tokens, rows, cols, factor):
    picture = tokens.T.reshape(1, -1, rows, cols)
    return F.pixel_unshuffle(picture, factor)[0].flatten(1).T
""",
        ),
        (
            "column-first",
            """
def shuffle(tokens, rows, cols, factor):
    x = tokens.reshape(rows // factor, factor, cols // factor, factor, -1)
    return x.permute(0, 2, 3, 1, 4).reshape(rows * cols // factor**2, -1)
""",
        ),
        (
            "in-a-row",
            """
def shuffle(tokens, rows, cols, factor):
    return tokens.view(-1, tokens.shape[1] * factor * factor)
""",
        ),
        (
            "far-apart",
            """
def shuffle(tokens, rows, cols, factor):
    x = tokens.reshape(factor, rows // factor, factor, cols // factor, -1)
    return x.permute(1, 3, 0, 2, 4).reshape(rows * cols // factor**2, -1)
""",
        ),
        (
            "slots-by-column",
            """
def shuffle(tokens, rows, cols, factor):
    x = tokens.reshape(rows // factor, factor, cols // factor, factor, -1)
    return x.permute(2, 0, 1, 3, 4).reshape(rows * cols // factor**2, -1)
""",
        ),
        (
            "rows-and-cols",
            """
def shuffle(tokens, rows, cols, factor):
    x = tokens.reshape(cols // factor, factor, rows // factor, factor, -1)
    return x.permute(0, 2, 1, 3, 4).reshape(rows * cols // factor**2, -1)
""",
        ),
        (
            "averaged",
            """
def shuffle(tokens, rows, cols, factor):
    picture = tokens.T.reshape(1, -1, rows, cols)
    return F.avg_pool2d(picture, factor)[0].flatten(1).T
""",
        ),
        (
            "corner-only",
            """
def shuffle(tokens, rows, cols, factor):
    return tokens.reshape(rows, cols, -1)[::factor, ::factor].reshape(-1, tokens.shape[1])
""",
        ),
    ],
    "12.answers": [
        (
            "not-shifted",
            """
def answers(logits, ids, learn):
    return F.cross_entropy(logits[learn], ids[learn])
""",
        ),
        (
            "shifted-back",
            """
def answers(logits, ids, learn):
    keep = learn[:, :-1]
    return F.cross_entropy(logits[:, 1:][keep], ids[:, :-1][keep])
""",
        ),
        (
            "mask-not-shifted",
            """
def answers(logits, ids, learn):
    keep = learn[:, :-1]
    return F.cross_entropy(logits[:, :-1][keep], ids[:, 1:][keep])
""",
        ),
        ("question-too", _SHIFTED + "    return loss.mean()\n"),
        (
            "question-only",
            """
def answers(logits, ids, learn):
    labels = ids.masked_fill(learn, -100)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
""",
        ),
        ("summed", _SHIFTED + "    return loss[learn].sum()\n"),
        ("over-all-places", _SHIFTED + "    return (loss * learn).mean()\n"),
        ("mean-of-texts", _SHIFTED + "    return torch.stack([row[m].mean() for row, m in zip(loss, learn)]).mean()\n"),
    ],
}
