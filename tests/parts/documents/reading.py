"""Reading of PDF files as others read them: PDFium for text and pictures, zbar for codes."""

import os
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

ISOLATES = dict.fromkeys(map(ord, "\u200b\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u200e\u200f\u00ad\ufffe"))


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page, without marks that only steer."""
    with pypdfium2.PdfDocument(pdf) as paper:
        texts = [page.get_textpage().get_text_bounded() for page in paper]
    return [text.replace("\r", "").translate(ISOLATES) for text in texts]


def text_of(pdf: bytes) -> str:
    return "\n".join(pages_of(pdf))


def squeezed(text: str) -> str:
    """A text without spaces and breaks, which move when lines are broken.

    A hyphen at the end of a line, with a letter after it, is read by pdfium as one that the break put there.
    """
    return "".join(text.translate(ISOLATES).replace("\x02", "-").split())


def picture_of(pdf: bytes, page: int = 0, scale: float = 2) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as paper:
        return paper[page].render(scale=scale).to_pil().convert("L")


def insides_of(pdf: bytes) -> bytes:
    """The file with its packed streams unpacked, to look for names of PDF in."""
    found = [pdf]
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    return b"\n".join(found)


def codes_in(*pictures: Path) -> list[str]:
    """What zbar reads in the pictures, one text for each."""
    if shutil.which("zbarimg") is None:
        if os.environ.get("CI"):
            pytest.fail("zbarimg is missing: apt-get install zbar-tools")
        pytest.skip("zbarimg is not installed")
    said = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", *map(str, pictures)],
        capture_output=True,
        check=True,
        timeout=30,
    )
    return said.stdout.decode().splitlines()
