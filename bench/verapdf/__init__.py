"""Every paper in every language, judged by veraPDF, the standards' own validator; a plain PDF is judged with them.

Needs Java 11 or newer on the PATH, and veraPDF in a folder (`pom.xml` says how it comes there).
"""

import asyncio
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from tests.parts.documents import papers
from tests.parts.documents.conftest import desk
from tests.parts.documents.printer import PAPERS, printed

from tillhouse.parts.documents import api as documents

FLAVOURS = ("3a", "ua1")
_CONTROL = "plain.pdf"
_ODD = "Zoë 漢字 \u202e\u0007 नमस्ते ไทย שלום 🙂 ₹ & #set"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one file and one flavour."""

    file: str
    flavour: str
    keeps: bool
    checks: int
    broken: str


async def print_all(folder: Path) -> None:
    """Each kind for each reader, plain and with a logo; long and empty ones, what strangers write, a file inside."""
    house = desk()
    made = {}
    for kind in PAPERS:
        for tag, reader in papers.READERS.items():
            made[f"{kind}-{tag}"] = await printed(house, kind, reader)
            look = documents.Look(accent="drivopay", logo=papers.logo())
            made[f"{kind}-{tag}-logo"] = await printed(house, kind, reader, look=look)
    for lines in (0, 500):
        made[f"statement-{lines}"] = await printed(house, "statement", movements=lines)
    made["receipt-odd"] = await printed(house, "receipt", title=_ODD, payer=documents.Party(name=_ODD))
    attached = documents.Attachment(
        name="factur-x.xml", media_type="text/xml", relationship="alternative", description=_ODD, content=b"<a/>"
    )
    reader = papers.READERS["en"]
    made["invoice-xml"] = await documents.render_invoice(house, papers.invoice(), reader, attachments=[attached])
    for name, content in made.items():
        (folder / f"{name}.pdf").write_bytes(content)


def judged(jars: Path) -> list[Verdict]:
    """What veraPDF says of all papers and of the plain file. Raises `SystemExit` with a sentence."""
    java = shutil.which("java")
    if java is None or not list(jars.glob("validation-model-*.jar")):
        sys.exit(
            f"Java is needed on the PATH, and veraPDF in {jars}: the first line of bench/verapdf/pom.xml brings it."
        )
    with TemporaryDirectory() as made:
        folder = Path(made)
        asyncio.run(print_all(folder))
        Image.new("RGB", (90, 90), "red").save(folder / _CONTROL)
        argv = [java, "-cp", f"{jars}/*", str(Path(__file__).with_name("Validate.java")), ",".join(FLAVOURS)]
        said = subprocess.run([*argv, *map(str, sorted(folder.glob("*.pdf")))], stdout=subprocess.PIPE, check=True)
    found = [line.split("\t") for line in said.stdout.decode().splitlines()]
    return [
        Verdict(file, flavour, keeps == "ok", int(checks), broken) for file, flavour, keeps, checks, broken in found
    ]


def main(jars: Path) -> None:
    """Print the verdicts; ends with 1 when a paper breaks a rule, or the plain file none."""
    found = judged(jars)
    of_papers = [one for one in found if one.file != _CONTROL]
    for flavour in FLAVOURS:
        ours = [one for one in of_papers if one.flavour == flavour]
        kept = sum(one.keeps for one in ours)
        print(f"{flavour:<5}{kept} of {len(ours)} papers keep to it ({sum(one.checks for one in ours):,} checks)")
        for one in ours:
            if not one.keeps:
                print(f"{one.file} breaks {flavour}: {one.broken}")
    told_apart = not any(one.keeps for one in found if one.file == _CONTROL)
    print("a plain file keeps to neither" if told_apart else "a plain file passes: these verdicts are worth nothing")
    sys.exit(0 if told_apart and of_papers and all(one.keeps for one in of_papers) else 1)
