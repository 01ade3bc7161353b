"""The local page of `delever serve`: a world, its wall, what-ifs and runs in a browser. It computes nothing itself.

    serve.py     starts and stops it; guard.py says who may enter
    session.py   what one browser looks at; view.py is the part of it that a link carries
    worker.py    a process that computes for one browser; desk/ is what goes on in it
    page/        what is shown, as HTML; files/ its style, script and templates
"""
