"""`delever shell`: a world that stays loaded, and commands about it in the words of the command line.

A line is a command of the command line without its WORLD, read by the very same parser; `what` and `wall` take their main option
as it is spoken. What is compiled stays compiled, and what-ifs are compared with one run of the world, kept until it changes.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from cmd import Cmd
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from delever.cli.options import USER_ERROR, WARM, Warm, check_output, heed_force, load_world, parse_settings, user_errors

if TYPE_CHECKING:
    from delever.model.world import World

SPOKEN = {"what": ("compare", "--what"), "wall": ("wall", "--shock")}  # word: command, and the option that its words are
OWN = {
    "what": 'WORDS            a what-if: what WBTC threshold +3 points',
    "wall": 'ASSET SHOCK      what a fall reaches: wall ETH -30%, or wall ETH -60%..0%',
    "set": "FIELD VALUE       change the world: set actors.borrowers.attentive 50 %",
    "undo": "                 take the last change back",
    "show": "[FIELD]          what was changed, or the values below a field",
    "save": "FILE [--force]   write the world as it is now (.yaml); comments of its file are not kept",
    "help": "[COMMAND]        this list, or a command's options (WORLD is left out here)",
    "quit": "                 or end of file",
}
ENDLESS = {"shell", "serve", "monitor"}  # commands that go on until they are ended: not inside of one
HISTORY, REMEMBERED = "history", 1000  # file in the cache's folder; lines of it


def run(commands: Any, text: str, settings: list[str], as_json: bool) -> None:
    """The command. commands: the command line itself."""
    with user_errors():
        shell = Shell(commands, Warm(text, load_world(text, parse_settings(settings))), as_json, sys.stdin)
    at_terminal = sys.stdin.isatty()
    token = WARM.set(shell.warm)
    try:
        with history() if at_terminal else ExitStack():
            shell.loop(at_terminal)
    finally:
        WARM.reset(token)
    if shell.mistakes and not at_terminal:  # a script wants to know
        raise typer.Exit(USER_ERROR)


@contextmanager
def history() -> Iterator[None]:
    """Lines of earlier sessions, where the terminal can recall lines."""
    try:
        import readline
    except ImportError:  # not on Windows
        yield
        return
    from delever.core.jit import cache_root

    file = cache_root() / HISTORY
    with suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        readline.set_history_length(REMEMBERED)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)


class Shell(Cmd):
    """A line at a time; a mistake is one line, and the session goes on."""

    def __init__(self, commands: Any, warm: Warm, as_json: bool, lines: TextIO) -> None:
        super().__init__(stdin=lines)
        self.commands, self.warm, self.as_json, self.first = commands, warm, as_json, warm.world
        self.before: list[World] = []  # what `undo` goes back to
        self.mistakes = 0

    def loop(self, at_terminal: bool) -> None:
        """Until it is left. Ctrl-C at the prompt leaves nothing."""
        self.prompt, self.use_rawinput = ("delever> " if at_terminal else ""), at_terminal
        scenario = self.first.scenario
        intro = f"{self.first.name}, {scenario.paths:,} paths of {scenario.steps:,} steps; help lists the commands"
        while True:
            try:
                self.cmdloop(intro if at_terminal else None)
                return
            except KeyboardInterrupt:
                print()
                intro = ""

    def onecmd(self, line: str) -> bool:
        """One line; as JSON its answer, whatever it is, is one line too."""
        line = line.strip()
        if not line or line.startswith("#"):
            return False
        if line in ("quit", "exit", "EOF"):
            return True
        if not self.as_json:
            self.mistakes += self.answered(line)
            return False
        out, said = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(said):
            wrong = self.answered(line)
        self.mistakes += wrong
        text = out.getvalue().strip()
        try:
            answer = json.loads(text) if text else None
        except ValueError:
            answer = text
        found = {"error": (said.getvalue().strip().splitlines() or [""])[-1]} if wrong and not text else {"answer": answer}
        print(json.dumps({"line": line, **found}), flush=True)
        return False

    def answered(self, line: str) -> bool:
        """Carry a line out; whether it was a mistake."""
        name, _, rest = line.partition(" ")
        try:
            with user_errors():
                own = getattr(self, f"do_{name}", None)
                return bool(own(rest.strip()) if own is not None else self.command(name, rest))
        except typer.Exit as left:
            return left.exit_code != 0
        except Exception as error:
            message = getattr(error, "format_message", None)  # what a parser says of options
            if message is None:
                raise
            print(f"delever: {' '.join(message().split())}", file=sys.stderr)
            return True

    def command(self, name: str, rest: str) -> bool:
        """A command of the command line, about this world."""
        from delever.model.errors import InputError, nearest

        words = words_of(name, rest)
        known = self.commands.commands
        option = ""
        if name in SPOKEN:
            name, option = SPOKEN[name]
        if name not in known or name in ENDLESS:
            raise InputError("unknown command", "shell", name, nearest(name, [*OWN, *(set(known) - ENDLESS)]))
        asked = {param.name for param in known[name].params}
        spoken = next((at for at, word in enumerate(words) if word.startswith("--")), len(words)) if option else 0
        args = [*([option, " ".join(words[:spoken])] if spoken else []), *words[spoken:]]
        args = [*([self.warm.text] if "world" in asked else []), *args]
        if self.as_json and "as_json" in asked and "--help" not in args:
            args.append("--json")
        return bool(self.commands.main([name, *args], prog_name="delever", standalone_mode=False))

    def do_set(self, rest: str) -> None:
        """One field, as `--set` does."""
        from delever.model.errors import InputError
        from delever.worlds import with_settings

        found = re.fullmatch(r"([^\s=]+)\s*(?:\s|=)\s*(\S.*)", rest)
        if found is None:
            raise InputError("names no value", "set", rest, "write set actors.borrowers.attentive 50 %")
        changed = with_settings(self.warm.world, {found[1]: found[2]})
        self.before.append(self.warm.world)
        self.warm.world = changed
        self.say(changes(self.before[-1], changed))

    def do_undo(self, rest: str) -> None:
        """The world before the last `set`."""
        from delever.model.errors import InputError

        if not self.before:
            raise InputError("there is no change to take back", "undo", remedy="set FIELD VALUE makes one")
        self.warm.world = self.before.pop()
        self.do_show("")

    def do_show(self, rest: str) -> None:
        """Fields that are not as loaded, or the values below a field."""
        if not rest:
            self.say(changes(self.first, self.warm.world))
            return
        from delever.analysis.comparison import leaves, said
        from delever.model.errors import InputError, nearest
        from delever.run.store import describe

        world = self.warm.world.spelled_out([*rest.split("."), "", ""])
        every = leaves(describe(world))
        found = [{"field": path, "value": said(world, path, value)} for path, value in every.items()
                 if path == rest or path.startswith(f"{rest}.")]
        if not found:
            raise InputError("unknown field", "show", rest, nearest(rest, every))
        self.say(found)

    def do_save(self, rest: str) -> None:
        """The world as it is now, as a file that reads back as the same."""
        from delever.model.errors import InputError
        from delever.model.save import yaml_of
        from delever.report.files import write_text

        typed = words_of("save", rest)
        heed_force("--force" in typed)
        words = [word for word in typed if word != "--force"]
        if len(words) != 1:
            raise InputError(f"names {len(words) or 'no'} file{'s' if len(words) > 1 else ''}", "save",
                             remedy="write save other.yaml")
        target = Path(words[0])
        check_output(target, {".yaml", ".yml"})
        write_text(yaml_of(self.warm.world, target.resolve().parent), target)
        self.say([{"written": str(target)}])

    def do_help(self, rest: str) -> bool:
        """The commands, or one's options."""
        if (rest and rest not in OWN) or rest in SPOKEN:
            return self.command(rest.split()[0], "--help")
        others = [f"  {name:10s}{command.get_short_help_str(90)}" for name, command in self.commands.commands.items()
                  if name not in OWN and name not in ENDLESS]
        own = [f"  {name:5s}{text}" for name, text in OWN.items()]
        print("\n".join([*own, "and as on the command line, without WORLD:", *others]))
        return False

    def say(self, rows: list[dict[str, str]]) -> None:
        """Rows of words, a line each."""
        if self.as_json:
            print(json.dumps(rows))
            return
        for row in rows:
            values = list(row.values())
            print(f"{values[0]}: {' -> '.join(values[1:])}" if len(values) > 1 else f"{next(iter(row))} {values[0]}")
        if not rows:
            print("no change")

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        """See Cmd."""
        return sorted(name for name in {*OWN, *self.commands.commands} - ENDLESS if name.startswith(text))

    def completedefault(self, text: str, *ignored: Any) -> list[str]:
        """Fields of the world that are numbers."""
        from delever.analysis.words import numbers

        return [path for path in numbers(self.warm.world) if path.startswith(text)]


def words_of(name: str, rest: str) -> list[str]:
    """What is typed behind a word, as a shell parts it."""
    from delever.model.errors import InputError

    try:
        return shlex.split(rest)
    except ValueError as error:
        raise InputError("cannot be read", name, rest, f"{error}: close the quotes".lower()) from None


def changes(before: World, after: World) -> list[dict[str, str]]:
    """Fields that differ, each with what it was and what it is."""
    from delever.analysis.comparison import changed

    return [{key: row[key] for key in ("field", "before", "after")} for row in changed(before, after, "")]
