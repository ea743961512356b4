"""Reports as self-contained HTML and Markdown: the document and its charts. Imports `files`."""
