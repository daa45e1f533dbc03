"""The report of a training: what it says (``page``), how it is drawn (``charts``), how it looks (``page.html``)."""
