"""Sphinx settings: Markdown pages, the furo theme."""

project = "delever"
author = "the delever authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "delever"
