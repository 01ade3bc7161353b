"""What is shown: each file makes the HTML of some regions out of a session, `layout` puts them on the page, `actions` answers.

Everything that a user or a file named goes through a template that escapes it.
"""
