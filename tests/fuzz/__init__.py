"""A fuzzer of everything that comes from outside: worlds, books, exchanges' answers, settings, run folders, arguments, commands.

    python -m tests.fuzz --seed 1 --calls 200000

A call passes when it returns finite figures, or says in one line what is wrong with what it was given.
"""
