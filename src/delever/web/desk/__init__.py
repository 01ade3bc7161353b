"""The other side of a worker: a process that keeps a world, its variations and its runs for one browser.

`python -m delever.web.desk` reads requests from its input and answers on its output; nothing of it runs in the page's event loop.
"""
