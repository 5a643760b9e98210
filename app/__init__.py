"""Tutti takes recorded music apart and writes it down."""

VERSION = "0.1.0"
