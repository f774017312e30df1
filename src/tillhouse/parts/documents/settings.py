"""Settings of documents."""

from tillhouse.kernel.settings import ModuleSettings, setting


class DocumentsSettings(ModuleSettings):
    """Who issues the house's papers, and what they are printed with."""

    prefix = "documents"

    issuer_name: str = setting("", "Who issues receipts and statements. Empty: the name of the product.")
    issuer_address: tuple[str, ...] = setting((), "Lines of the issuer's address, separated by commas.")
    issuer_tax_id: str = setting("", "The issuer's tax number with its name, for example `GSTIN 29ABCDE1234F1Z5`.")
    logo_file: str = setting("", "A PNG, JPEG or WebP file that stands at the head of the house's papers.")
    fonts_folder: str = setting("", "A folder of further TTF or OTF fonts, for scripts that ours lack.")
    workers: int = setting(2, "How many papers this process prints at a time, each in a process of its own.")
