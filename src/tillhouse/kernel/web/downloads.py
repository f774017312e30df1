"""Files that are made for whoever asked, to be kept by them alone."""

from typing import Any

from fastapi.responses import Response

PDF = "application/pdf"
PDF_ANSWER: dict[int | str, dict[str, Any]] = {  # as FastAPI's `responses` wants it
    200: {"description": "The file.", "content": {PDF: {"schema": {"type": "string", "format": "binary"}}}}
}


def pdf_download(name: str, content: bytes) -> Response:
    """A PDF to be saved as `name`.pdf: kept by no cache between us and whoever asked. `name` is plain ASCII."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"', "Cache-Control": "private, no-store"}
    return Response(content, media_type=PDF, headers=headers)
