"""The frozen vocabulary: data only, one noun per file, no I/O and no behaviour that needs another room."""
