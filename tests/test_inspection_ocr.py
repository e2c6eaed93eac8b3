"""Laws of OCR: characters are found in any light, only an asset code is an answer, and a missing engine is told of."""

import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
import torch

from minivit import panels
from minivit.inspection import ocr
from minivit.inspection.claims import around
from minivit.panels import rules


@pytest.fixture(scope="session")
def engine():
    """Tesseract. Without it the tests are skipped, saying so; under CI that is a failure."""
    if reason := ocr.missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def plate(seed: int, size: int, margin: float = 1.15) -> tuple[torch.Tensor, str]:
    """A crop of a test scene around its code plate, and the code."""
    scene = panels.sample_scene(seed, "test")
    y0, x0, y1, x1 = (round(edge * size) for edge in around(panels.regions(scene)["code"], margin))
    return panels.draw(scene, size)[:, y0:y1, x0:x1], scene.code


@pytest.mark.parametrize("size", [192, 384])
@pytest.mark.parametrize("seed", range(6))
def test_the_four_characters_are_found_from_left_to_right(seed, size):
    seen = ocr.grey(plate(seed, size)[0])
    assert seen.shape[0] == ocr.LEVEL and seen.min() >= 0 and seen.max() <= 1
    found = ocr.marks(seen)
    assert len(found) == 4
    assert all(one[3] <= other[1] for one, other in pairwise(found))
    gaps = [other[1] - one[3] for one, other in pairwise(found)]
    assert gaps[1] > gaps[0] and gaps[1] > gaps[2]  # the hyphen is between the second and the third
    for y0, x0, y1, x1 in found:
        inside, beside = seen[y0:y1, x0:x1].amin(), seen[y0:y1, x0 - 2].median()
        assert inside < 0.5 * beside


def test_shade_over_the_plate_changes_little():
    crop = plate(3, 384)[0].float() / 255
    shade = torch.linspace(0.35, 1, crop.shape[2])
    plain, shaded = ocr.marks(ocr.grey(crop)), ocr.marks(ocr.grey(crop * shade))
    assert len(plain) == len(shaded) == 4
    assert (torch.tensor(plain) - torch.tensor(shaded)).abs().max() <= 2
    dark = crop.mean(dim=0) < ocr.threshold(crop.mean(dim=0))  # the twin: brightness as it is
    assert (dark != ((crop * shade).mean(dim=0) < ocr.threshold((crop * shade).mean(dim=0)))).float().mean() > 0.05


STRIPES = (torch.arange(90) % 6 < 3).float().expand(3, 30, 90)


@pytest.mark.parametrize(
    "crop", [torch.zeros(3, 30, 90), torch.ones(1, 30, 90), STRIPES], ids=["black", "white", "stripes"]
)
def test_where_no_characters_are_there_are_no_marks(crop):
    assert ocr.marks(ocr.grey(crop)) == []
    assert ocr.level(ocr.grey(crop)).size[1] == ocr.LEVEL  # then all of it is shown


def tilted(degrees: float) -> torch.Tensor:
    """Four dark bars in a row, the row turned, on a light plate of (1, 64, 192)."""
    slope = torch.tan(torch.deg2rad(torch.tensor(degrees)))
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(192.0), indexing="ij")
    seen = torch.full((64, 192), 0.9)
    for middle in (56, 82, 118, 144):
        seen[((x - middle).abs() < 7) & ((y - 32 - slope * (middle - 96)).abs() < 14)] = 0.1
    return seen[None]


@pytest.mark.parametrize("degrees", [-8.0, 0.0, 5.0])
def test_a_row_is_laid_level(degrees):
    found = ocr.marks(ocr.grey(tilted(degrees)))
    assert len(found) == 4
    line = torch.tensor(list(ocr.level(ocr.grey(tilted(degrees))).tobytes())).view(2 * ocr.MARGIN + ocr.TALL, -1)
    assert (line[: ocr.MARGIN // 2] == 255).all() and (line[:, : ocr.MARGIN // 2] == 255).all()
    dark = (line < 128).nonzero()
    assert abs(dark[:, 0].float().mean() - line.shape[0] / 2) < 1.5
    first, last = (dark[(dark[:, 1] < line.shape[1] / 4)], dark[dark[:, 1] > 3 * line.shape[1] / 4])
    assert abs(first[:, 0].float().mean() - last[:, 0].float().mean()) < 1.5
    high = dark[:, 0].max() - dark[:, 0].min() + 1
    assert abs(high - ocr.TALL) <= 4


def test_what_stands_beside_the_row_does_not_count():
    clean, dirty = tilted(0.0), tilted(0.0)
    dirty[:, 2:28, 3:14] = dirty[:, 34:62, 176:188] = 0.1  # as tall as the four
    assert ocr.marks(ocr.grey(dirty)) == ocr.marks(ocr.grey(clean))
    dirty[:, 16:48, 96:104] = 0.1  # and one in the middle of them: then they are five, and one is left out
    assert ocr.marks(ocr.grey(dirty)) != ocr.marks(ocr.grey(clean))


def test_the_threshold_parts_two_tones():
    tones = torch.cat([torch.full((30,), 0.2), torch.full((70,), 0.8)])
    assert 0.2 < ocr.threshold(tones) <= 0.8
    assert 0.2 < ocr.threshold(tones[20:40]) <= 0.8


@pytest.mark.parametrize(
    ("crop", "said"),
    [
        (torch.zeros(30, 90), r"got \(30, 90\)"),
        (torch.zeros(1, 3, 30, 90), r"got \(1, 3, 30, 90\)"),
        (torch.zeros(2, 30, 90), r"got \(2, 30, 90\)"),
        (torch.zeros(3, 7, 90), r"got \(3, 7, 90\)"),
        (torch.full((3, 30, 90), 2.0), "outside"),
        (torch.full((3, 30, 90), float("nan")), "NaN"),
        ("plate.png", "got str"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_crop_is_told_with_or_without_an_engine(crop, said):
    with pytest.raises(ValueError, match=said):
        ocr.read_code(crop)


def test_without_pytesseract_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytesseract.pytesseract", None)
    monkeypatch.setitem(sys.modules, "pytesseract", None)
    assert not ocr.available() and "pip install 'minivit[ocr]'" in ocr.missing()
    with pytest.raises(ImportError, match="tesseract-ocr"):
        ocr.read_code(plate(0, 192)[0])


def test_without_the_program_it_says_what_to_install(monkeypatch, tmp_path):
    pytest.importorskip("pytesseract")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not ocr.available() and "no program tesseract" in ocr.missing()
    with pytest.raises(ImportError, match="apt-get install tesseract-ocr"):
        ocr.read_code(plate(0, 192)[0])


def test_the_module_is_imported_without_pytesseract():
    code = "import sys; sys.modules['pytesseract'] = None; import minivit.inspection.ocr, minivit.inspection.agent"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_code_is_read_whatever_the_type_of_the_pixels(engine):
    crop, code = plate(3, 384)
    reading = ocr.read_code(crop)
    assert reading.text == code and 0 <= reading.confidence <= 1
    assert ocr.read_code(crop.float() / 255).text == code
    assert ocr.read_code((crop.float() / 255).mean(dim=0, keepdim=True)).text == code


def test_what_is_no_code_is_no_answer(engine):
    scene = panels.sample_scene(3, "test")
    picture = panels.draw(scene, 384)
    for part in ("badge", "icon", "lamps"):
        y0, x0, y1, x1 = (round(edge * 384) for edge in panels.regions(scene)[part])
        assert ocr.read_code(picture[:, y0:y1, x0:x1]) is None
    crop, _ = plate(3, 384)
    assert ocr.read_code(crop[:, :, : crop.shape[2] // 2]) is None  # half a code
    assert ocr.read_code(torch.zeros(3, 40, 120)) is None


@pytest.mark.slow
@pytest.mark.parametrize("size", [192, 384])
def test_most_codes_of_held_out_scenes_are_read_and_hardly_one_wrongly(engine, size):
    read = [(ocr.read_code(crop), code) for crop, code in (plate(seed, size) for seed in range(40))]
    assert all(reading is None or re.fullmatch(rules.CODE, reading.text) for reading, _ in read)
    right = sum(reading is not None and reading.text == code for reading, code in read)
    wrong = sum(reading is not None and reading.text != code for reading, code in read)
    assert right >= 34 and wrong <= 1
