"""The web kit: pages, fragments, forms, static files, languages and formats. It knows no database and no module."""
