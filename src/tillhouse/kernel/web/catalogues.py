"""Making and checking of translation catalogues.

    python -m tillhouse.kernel.web.catalogues src/tillhouse/products/drivopay

brings the `.po` files of a module up to date with the sentences in its code and templates; translators fill the gaps.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from tillhouse.kernel.web.i18n import LANGUAGES, SOURCE

_METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract"), ("**.txt", "jinja2.ext:babel_extract")]
_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false", "extensions": "jinja2.ext.do"}
_OPTIONS = {"**.html": _JINJA, "**.txt": _JINJA}
_KEYWORDS = {"_": None, "gettext": None, "lazy": None, "N_": None, "ngettext": (1, 2), "plural": (1, 2)}

# A menu's title is an argument, not a sentence that a function marks: manifests mark theirs with N_.


def sentences(folder: Path) -> Catalog:
    """Every sentence marked for translation in the code and templates under `folder`."""
    catalog = Catalog(charset="utf-8", fuzzy=False)
    found = extract_from_dir(str(folder), _METHODS, _OPTIONS, _KEYWORDS, comment_tags=["Translators:"])
    for name, line, message, comments, context in found:
        catalog.add(message, None, [(name, line)], auto_comments=comments, context=context)
    return catalog


def catalogue_of(locale: Path, language: str) -> Catalog:
    """The catalogue of a module in a language; an empty one where there is none yet."""
    path = locale / language / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return Catalog(locale=language, charset="utf-8", fuzzy=False)
    with path.open("rb") as source:
        return read_po(source, locale=language)


def untranslated(folder: Path, locale: Path, language: str) -> Iterator[str]:
    """The sentences under `folder` that the catalogue of `language` misses or has only in part."""
    catalogue = catalogue_of(locale, language)
    for message in sentences(folder):
        if not message.id:
            continue
        known = catalogue.get(message.id)
        forms = known.string if known and not known.fuzzy else ""
        if not (all(forms) if isinstance(forms, (tuple, list)) else forms):
            yield message.id if isinstance(message.id, str) else message.id[0]


def update(folder: Path, locale: Path) -> None:
    """Write the catalogues of all languages but English anew: new sentences empty, gone ones dropped."""
    wanted = sentences(folder)
    for language in LANGUAGES:
        if language == SOURCE:
            continue
        catalogue = catalogue_of(locale, language)
        catalogue.update(wanted, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        path = locale / language / "LC_MESSAGES" / "messages.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            write_po(target, catalogue, omit_header=False, sort_output=True, no_location=True, width=110)


def main() -> None:
    """The command line: one module's folder; the kernel keeps its catalogues in `web/locale`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    folder: Path = arguments.parse_args().folder
    update(folder, folder / "web" / "locale" if (folder / "web" / "locale").is_dir() else folder / "locale")


if __name__ == "__main__":
    main()
