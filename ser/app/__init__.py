"""The page and the HTTP interface of ``ser app``.

Recordings arrive as bytes: no request names a file, so none can name a file of somebody else.
"""
