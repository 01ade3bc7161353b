"""Who bears what accounts fall short of: the layers of default waterfalls, one a file."""
