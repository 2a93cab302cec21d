"""Bytes to records: whole new lines since an offset, in the common model."""
