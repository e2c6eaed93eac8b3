"""The explorers without a browser: uploads under both ipywidgets, pictures that follow from choices, live sliders."""

import base64
import io
import json
import re
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minivit import images
from minivit.patches import Grid, patchify, unpatchify
from minivit.teach import explorers
from minivit.teach.explorers import cutting, patches, views
from minivit.teach.figures import ORANGE

ROOT = Path(__file__).resolve().parents[1]


def noise(height, width, seed=0):
    """A picture in which no two pixels agree by design."""
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def file_of(pixels, kind="PNG"):
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, kind)
    return buffer.getvalue()


def shapes(name, data):
    """One chosen file as `FileUpload.value` holds it: in ipywidgets 7, in 8, and in 8 as the browser sends it."""
    seven = {name: {"metadata": {"name": name, "type": "", "size": len(data), "lastModified": 0}, "content": data}}
    eight = {"name": name, "type": "", "size": len(data), "last_modified": None}
    return {"7": seven, "8": ({**eight, "content": data},), "8 in a browser": ({**eight, "content": memoryview(data)},)}


def pixels_of(widget):
    """What an Image widget shows: (h, w, 3)."""
    return np.array(Image.open(io.BytesIO(widget.value)))


@pytest.fixture(autouse=True)
def one_thread():
    """Pictures this small are drawn faster by one thread, above all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def explorer():
    pytest.importorskip("ipywidgets")
    return patches.Explorer(noise(28, 28))  # 224 x 224 of it are smooth, and quickly packed


# Uploads


@pytest.mark.parametrize("shape", ["7", "8", "8 in a browser"])
def test_uploads_are_read_alike_under_ipywidgets_7_and_8(shape):
    data = file_of(noise(20, 30))
    assert explorers.uploads(shapes("a photo.png", data)[shape]) == [("a photo.png", data)]
    assert all(type(file.data) is bytes for file in explorers.uploads(shapes("a.png", data)[shape]))


def test_nothing_chosen_is_no_upload():
    assert explorers.uploads({}) == explorers.uploads(()) == []


def test_several_uploads_keep_their_order():
    first, second = shapes("b.png", b"1"), shapes("a.png", b"2")
    assert explorers.uploads(first["7"] | second["7"]) == [("b.png", b"1"), ("a.png", b"2")]
    assert explorers.uploads(first["8"] + second["8"]) == [("b.png", b"1"), ("a.png", b"2")]


def test_this_ipywidgets_has_one_of_these_shapes():
    kit = pytest.importorskip("ipywidgets")
    value = kit.FileUpload().value
    assert value == {} if kit.__version__.startswith("7") else value == ()


@pytest.mark.parametrize("shape", ["7", "8", "8 in a browser"])
def test_an_uploaded_picture_is_shown(explorer, shape):
    pixels = noise(60, 90, seed=1)
    explorer._uploaded({"new": shapes("mine.png", file_of(pixels))[shape]})
    assert explorer.choice.value == explorer.choice.options[0] == "yours: mine.png"
    assert torch.equal(explorer.view.picture, pixels)
    assert "The middle 60 × 60 of 60 × 90 pixels" in explorer.note.value
    assert explorer.message.value == ""


def test_the_same_name_again_takes_its_place(explorer):
    for seed in (1, 2):
        explorer._uploaded({"new": shapes("mine.png", file_of(noise(60, 90, seed)))["8"]})
    assert torch.equal(explorer.view.picture, noise(60, 90, 2))
    assert sum(name == "yours: mine.png" for name in explorer.choice.options) == 1
    explorer.choice.value = "yours"
    explorer.choice.value = "yours: mine.png"
    assert torch.equal(explorer.view.picture, noise(60, 90, 2))


def test_each_upload_gets_a_fresh_button(explorer):
    """Else the same file, chosen twice, would be no change and would go unheard."""
    before = explorer.upload
    explorer._uploaded({"new": shapes("mine.png", file_of(noise(60, 90)))["7"]})
    assert explorer.upload is not before
    assert explorer.upload_box.children[0] is explorer.upload
    assert not explorer.upload.value


def bomb():
    """A PNG that says it is 60,000 x 60,000."""
    data = bytearray(file_of(noise(2, 2)))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def not_a_number():
    """A TIFF of float pixels, one of them NaN."""
    values = np.full((8, 9), 0.5, dtype=np.float32)
    values[2, 3] = np.nan
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    return buffer.getvalue()


BAD = {
    "a text named .jpg": (b"Dear diary, this is no picture.", "not a picture"),
    "nothing": (b"", "empty"),
    "cut short": (file_of(noise(64, 64))[:3000], "cut short"),
    "a bomb": (bomb(), "3,600,000,000 pixels"),
    "NaN pixels": (not_a_number(), "NaN"),
    "a page": (b"<script>alert(1)</script>" * 9, "not a picture"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("shape", ["7", "8 in a browser"])
def test_a_bad_upload_is_a_sentence_and_changes_nothing_else(explorer, what, shape):
    data, expected = BAD[what]
    before, cut = explorer.view, explorer.shown.cut.value
    explorer._uploaded({"new": shapes("<b>holiday</b>.jpg", data)[shape]})
    said = explorer.message.value
    assert expected in said
    assert "&lt;b&gt;holiday&lt;/b&gt;.jpg" in said
    assert "Traceback" not in said
    assert "<script" not in said
    assert explorer.view is before
    assert explorer.shown.cut.value == cut
    explorer.patch.value = 32
    assert explorer.message.value == ""


@pytest.mark.slow
def test_odd_but_good_uploads_work(explorer):
    greys = Image.fromarray(np.arange(77, dtype=np.uint8).reshape(7, 11))
    for name, picture, kind in (
        ("one pixel", Image.new("RGB", (1, 1), "red"), "PNG"),
        ("a thread", Image.new("RGB", (3, 20_000), "blue"), "PNG"),
        ("grey", greys, "PNG"),
        ("opacity", Image.new("RGBA", (30, 20), (9, 8, 7, 100)), "PNG"),
        ("four inks", Image.new("CMYK", (30, 20)), "JPEG"),
        ("16 bit", Image.fromarray(np.arange(77, dtype=np.uint16).reshape(7, 11) * 800), "PNG"),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        for whole in (False, True):
            explorer.whole.value = whole
            explorer._uploaded({"new": shapes(name, buffer.getvalue())["8"]})
            assert explorer.message.value == "", name
            for patch in (4, 56):
                explorer.patch.value = patch
                assert pixels_of(explorer.shown.cut).min(axis=(0, 1)).shape == (3,)


@pytest.mark.parametrize(
    "source",
    [
        torch.zeros(2, 8, 8, dtype=torch.uint8),
        torch.zeros(3, 0, 8),
        torch.full((3, 8, 8), torch.nan),
        torch.zeros(8, 8),
        7,
    ],
    ids=["two channels", "empty", "NaN", "no channels", "a number"],
)
def test_what_is_no_picture_is_refused(source):
    with pytest.raises(ValueError, match=r"shape|NaN|int"):
        explorers.picture_of(source)


def test_explore_refuses_what_is_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        patches.explore(tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match="NaN"):
        patches.explore(torch.full((3, 8, 8), torch.nan))


def test_paths_arrays_and_tensors_are_pictures(tmp_path):
    pixels = noise(10, 14)
    (tmp_path / "a.png").write_bytes(file_of(pixels))
    for source in (tmp_path / "a.png", pixels.permute(1, 2, 0).numpy(), pixels, images.to_float(pixels)):
        assert torch.equal(explorers.picture_of(source), pixels)
    assert explorers.picture_of(pixels[:1]).shape == (3, 10, 14)


# Pictures


@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from(views.SIZES),
    st.sampled_from(views.PATCHES),
    st.booleans(),
)
def test_the_fitted_picture_can_always_be_cut(height, width, size, patch, whole):
    image, note = cutting.fit(noise(height, width), size, patch, whole)
    grid = Grid.of(*image.shape[-2:], patch)  # raises unless P divides both sides
    assert tuple(image.shape[-2:]) == cutting.target(height, width, size, patch, whole)
    assert abs(max(image.shape[-2:]) - size) <= patch / 2
    assert whole or grid.rows == grid.cols
    assert f"{height} × {width}" in note
    if tuple(image.shape[-2:]) != (height, width):
        assert f"{image.shape[-2]} × {image.shape[-1]}" in note


def test_the_sentence_says_what_was_done():
    def note(*args):
        return cutting.fit(*args)[1]

    assert note(noise(224, 224), 224, 16) == "224 × 224 pixels (height × width)."
    assert (
        note(noise(300, 450), 224, 16)
        == "The middle 300 × 300 of 300 × 450 pixels (height × width), resized to 224 × 224."
    )
    assert note(noise(96, 96), 96, 14).endswith("resized to 98 × 98, since 14 does not divide 96.")
    assert note(noise(300, 450), 224, 16, True).endswith("resized to 144 × 224, since 16 does not divide 149.")


def test_the_middle_square_is_the_middle():
    picture = noise(16, 40)
    assert torch.equal(cutting.fit(picture, 16, 4)[0], picture[:, :, 12:28])
    assert torch.equal(cutting.fit(picture.mT.contiguous(), 16, 4)[0], picture.mT[:, 12:28])


@pytest.mark.parametrize(("patch", "numbers"), [(4, 48), (8, 192), (16, 768), (4, 768)])
def test_with_as_many_numbers_as_values_nothing_is_lost(patch, numbers):
    image = noise(2 * patch, 3 * patch)
    assert torch.equal(cutting.keep(image, patch, numbers), image)


def test_all_waves_are_a_turn_of_the_patch():
    """Orthonormal: keeping P*P of them loses nothing, keeping fewer is the nearest picture that they can make."""
    basis = cutting.waves(8, 64).double()
    assert torch.allclose(basis @ basis.T, torch.eye(64, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(basis[0], torch.full((64,), 1 / 8, dtype=torch.float64), atol=1e-6)


def test_three_numbers_keep_the_mean_colour_of_each_patch():
    image, patch = noise(24, 40), 8
    tokens = patchify(images.to_float(image), patch).reshape(15, patch * patch, 3).mean(dim=1)
    flat = tokens[:, None].expand(-1, patch * patch, -1).reshape(15, -1)
    expected = images.to_uint8(unpatchify(flat, Grid(3, 5), patch))
    assert (cutting.keep(image, patch, 3).int() - expected.int()).abs().max() <= 1


def test_more_numbers_and_smaller_patches_keep_more():
    """The law of the lesson, on the panel: the loss falls with D and rises with P."""
    picture, _ = patches.panel(patches.PANELS[0])

    def loss(patch, numbers):
        image = cutting.fit(picture, 224, patch)[0]
        return float((images.to_float(cutting.keep(image, patch, numbers)) - images.to_float(image)).square().mean())

    by_numbers = [loss(32, numbers) for numbers in views.NUMBERS]
    by_patch = [loss(patch, 48) for patch in (8, 16, 32, 56)]
    assert by_numbers == sorted(by_numbers, reverse=True)
    assert by_patch == sorted(by_patch)
    assert by_patch[-1] > 3 * by_patch[0] > 0


def test_the_pulled_apart_picture_holds_the_same_patches_in_the_same_places():
    image, patch = noise(64, 96), 32  # 2 x 3 patches: a cell is 149 pixels, 12 of them gap
    canvas = torch.from_numpy(cutting.exploded(image, patch, token=4)).permute(2, 0, 1)
    cell, gap = 448 // 3, 448 // 3 // 12
    assert canvas.shape[1:] == (2 * cell - gap + 6, 3 * cell - gap + 6)
    for token, flat in enumerate(patchify(images.to_float(image), patch)):
        row, col = divmod(token, 3)
        top, left = 3 + row * cell, 3 + col * cell
        shown = images.to_float(canvas[:, top : top + cell - gap, left : left + cell - gap])
        assert torch.allclose(shown.mean(dim=(1, 2)), flat.reshape(-1, 3).mean(dim=0), atol=0.02)


@pytest.mark.parametrize("patch", [4, 16, 112])
def test_the_frame_stands_around_the_chosen_patch(patch):
    image = torch.zeros(3, 224, 224, dtype=torch.uint8)
    orange = [int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)]
    cols = 224 // patch
    for token in (0, cols - 1, cols, cols * cols - 1):
        canvas = cutting.exploded(image, patch, token)
        ys, xs = np.nonzero((canvas == orange).all(axis=2))
        row, col = divmod(token, cols)
        cell = 448 // cols  # with its gap, of a twelfth at most
        inner = cell - (max(2, cell // 12) if cell >= 10 else 0)
        assert (ys.min(), ys.max()) == (row * cell, row * cell + inner + 5)
        assert (xs.min(), xs.max()) == (col * cell, col * cell + inner + 5)


def test_the_window_shows_the_place():
    image = torch.zeros(3, 200, 400, dtype=torch.uint8)
    image[:, 150:160, 300:310] = 255
    shown = cutting.window(image, (155 / 200, 305 / 400))
    assert shown.shape[-1] == 300
    assert shown.shape[-2] <= 200
    assert shown.max() > 200
    assert cutting.window(image, (0.1, 0.1)).max() == 0


def test_a_token_is_named_by_row_and_column():
    view = views.View(noise(128, 224), size=224, patch=32, whole=True)
    assert view.grid == (4, 7)
    for token in range(28):
        assert view.at(token).token == token
    words = views.token_words(view.at(16))
    assert "Token 16: row 2, column 2, for 2 × 7 + 2 = 16." in words
    first = patchify(view.image, 32)[16, :9].tolist()
    assert " ".join(map(str, first)) in words


def test_the_numbers_are_the_library_s():
    view = views.View(noise(300, 400), patch=16)
    price = view.cost
    assert (price.tokens, price.raw_width, price.pairs) == (196, 768, 38_416)
    for text in ("196 tokens", "768 values", "38,416 pairs", f"{price.flops / 1e9:.1f} GFLOPs"):
        assert text in views.tiles(view)
    rows = re.findall(r"<tr( class=\"mv-now\")?><th>(\d+)</th>", views.table(view))
    assert rows == [(' class="mv-now"' if patch == 16 else "", str(patch)) for patch in views.PATCHES]
    assert "784" in views.table(view)
    assert "614,656" in views.table(view)


# Widgets


def shown(explorer):
    return [image.value for image in explorer.shown]


def test_moving_the_patch_slider_changes_pictures_and_numbers(explorer):
    before = shown(explorer)
    assert "196 tokens" in explorer.tiles.value
    explorer.patch.value = 32
    assert "49 tokens" in explorer.tiles.value
    assert "2,401 pairs" in explorer.tiles.value
    assert "48 numbers of 3,072" in explorer.kept_words.value
    assert explorer.token.max == explorer.play.max == 48
    after = shown(explorer)
    assert after[0] != before[0]
    assert after[1] != before[1]
    explorer.patch.value = 16
    assert shown(explorer) == before


def test_the_place_stays_when_the_grid_changes(explorer):
    explorer.token.value = 14 * 3 + 10  # row 3, column 10 of 14
    focus = explorer.view.focus
    explorer.patch.value = 8
    row, col = divmod(explorer.token.value, 28)
    assert (row in (6, 7), col in (20, 21)) == (True, True)
    explorer.patch.value = 16
    assert explorer.token.value == 14 * 3 + 10
    assert explorer.view.focus == focus


def test_numbers_change_what_is_kept_and_not_the_cut(explorer):
    before = shown(explorer)
    explorer.numbers.value = 3
    after = shown(explorer)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True, False]
    explorer.numbers.value = 768
    assert "nothing is lost" in explorer.kept_words.value
    assert explorer.shown.before.value == explorer.shown.after.value


def test_image_side_and_part_change_the_grid(explorer):
    explorer.size.value = 448
    assert "784 tokens" in explorer.tiles.value
    explorer._uploaded({"new": shapes("wide.png", file_of(noise(100, 200)))["8"]})
    explorer.whole.value = True
    assert "14 rows × 28 columns" in explorer.tiles.value


def test_playing_reads_in_raster_order(explorer):
    cuts = set()
    for token in (0, 1, 13, 14, 29):
        explorer.play.value = token
        assert explorer.token.value == token
        assert f"Token {token}: row {token // 14}, column {token % 14}" in explorer.token_words.value
        cuts.add(explorer.shown.cut.value)
    assert len(cuts) == 5


def test_a_new_picture_brings_its_own_place(explorer):
    explorer.token.value = 0
    panel = next(name for name in explorer.choice.options if name.startswith("inspection panel"))
    explorer.choice.value = panel
    assert explorer.view.focus == patches.panel(patches.PANELS[0])[1]
    assert torch.equal(explorer.view.picture, patches.panel(patches.PANELS[0])[0])


@pytest.mark.slow
def test_every_picture_on_the_shelf_can_be_shown(explorer):
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    seen = set()
    for name in explorer.choice.options:
        explorer.choice.value = name
        assert explorer.message.value == ""
        seen.add(explorer.shown.cut.value)
    assert len(seen) == len(explorer.choice.options) == 1 + len(patches.PANELS) + len(patches.PHOTOGRAPHS)


def test_a_picture_that_cannot_be_had_is_a_sentence(explorer, monkeypatch):
    def missing(name):
        raise ImportError("the sample needs scikit-image: pip install 'minivit[lessons]'")

    monkeypatch.setattr(images, "sample", missing)
    before = explorer.view
    explorer.choice.value = explorer.choice.options[-1]
    assert "pip install" in explorer.message.value
    assert explorer.view is before


@pytest.mark.slow
def test_any_order_of_moves_leaves_words_and_sliders_in_step(explorer):
    random = np.random.default_rng(3)
    controls = (explorer.patch, explorer.size, explorer.numbers, explorer.whole)
    for _ in range(30):
        control = controls[random.integers(len(controls))]
        choices = [option[1] if isinstance(option, tuple) else option for option in control.options]
        control.value = choices[random.integers(len(choices))]
        explorer.token.value = int(random.integers(explorer.token.max + 1))
        view = explorer.view
        assert (view.patch, view.size, view.numbers, view.whole) == tuple(c.value for c in controls)
        assert explorer.token.value == explorer.play.value == view.token < view.cost.tokens == explorer.token.max + 1
        assert f"{view.cost.tokens:,} tokens" in explorer.tiles.value


# The still


def displayed(monkeypatch):
    """What is displayed from now on, as a list of dicts or objects."""
    import IPython.display

    seen = []
    monkeypatch.setattr(
        IPython.display, "display", lambda *things, **how: seen.append(SimpleNamespace(things=things, how=how))
    )
    return seen


def test_with_stills_wanted_a_small_opaque_png_is_shown_and_no_widget(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MINIVIT_STILLS", "1")
    monkeypatch.setattr(explorers, "widgets", lambda: pytest.fail("a widget was made"))
    seen = displayed(monkeypatch)
    assert patches.explore() is None
    ((bundle,),) = [one.things for one in seen]
    assert set(bundle) == {"image/png", "text/plain"}
    assert bundle["text/plain"] == patches.ALT
    data = bundle["image/png"]
    assert len(data) <= 200_000
    picture = Image.open(io.BytesIO(data))
    assert picture.width <= 720
    assert picture.height <= 480
    assert picture.convert("RGBA").getextrema()[3] == (255, 255)


def test_the_still_is_the_same_each_time(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MINIVIT_STILLS", "1")
    seen = displayed(monkeypatch)
    patches.explore()
    patches.explore()
    assert seen[0].things[0]["image/png"] == seen[1].things[0]["image/png"]


def test_the_still_s_words_are_true():
    for patch, tokens in ((8, 784), (16, 196), (32, 49)):
        assert views.View(noise(448, 448), patch=patch).cost.tokens == tokens
        assert f"{tokens} tokens" in patches.ALT
    assert patches.STILL_PATCHES == (8, 16, 32)
    assert views.View(noise(9, 9)).numbers == 48


@pytest.mark.parametrize("value", ["", "0"])
def test_without_stills_the_widget_is_shown(monkeypatch, value):
    kit = pytest.importorskip("ipywidgets")
    monkeypatch.setenv("MINIVIT_STILLS", value)
    seen = displayed(monkeypatch)
    patches.explore()
    assert isinstance(seen[0].things[0], kit.VBox)


def test_without_ipywidgets_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"minivit\[lessons\]"):
        patches.Explorer()


def test_the_lesson_holds_the_still_and_its_words():
    notebook = json.loads((ROOT / "notebooks/01_patches.ipynb").read_text())
    assert "widgets" not in notebook["metadata"]
    (cell,) = [cell for cell in notebook["cells"] if "explorer" in cell["metadata"].get("tags", [])]
    assert "nbval-ignore-output" in cell["metadata"]["tags"]
    (output,) = cell["outputs"]
    assert set(output["data"]) == {"image/png", "text/plain"}
    assert len(base64.b64decode(output["data"]["image/png"])) <= 200_000
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "".join(output["data"]["text/plain"]) == patches.ALT


def test_views_are_frozen_and_leave_the_picture_alone():
    picture = noise(100, 130)
    copy = picture.clone()
    view = views.View(picture)
    views.draw(replace(view, numbers=3, patch=56, whole=True))
    assert torch.equal(picture, copy)
