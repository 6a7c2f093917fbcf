"""The findings model and its renderings: HTML, Markdown, JSON."""
