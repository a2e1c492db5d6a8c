"""The panel of drivers and partners, /mis-documentos/: their money, their documents, who saw them. No script."""
