"""Pages for people: one self-contained HTML file and a Markdown one of the same content."""
