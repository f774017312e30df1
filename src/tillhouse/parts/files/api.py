"""The door of files. Every read names the owner; another owner's file is not found."""

from tillhouse.parts.files.flows import read_file as open_
from tillhouse.parts.files.flows import store_file as store
from tillhouse.parts.files.service import StoredFile, delete, find, list_of

__all__ = ["StoredFile", "delete", "find", "list_of", "open_", "store"]
