"""What commands print fits the terminal, or the width that COLUMNS says, and off a terminal holds no escape codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from delever import templates
from delever.cli.main import app

FIELD = "protocols.aave.parameters.ETH.liquidation_threshold"
QUICK = ("--set", "scenario.events=[{kind: price, change: {ETH: -25 %}}]", "--set", "scenario.horizon=20 min")
HELP = [[str(command.name or command.callback.__name__), "--help"] for command in app.registered_commands if command.callback]
LOOKS = [["--help"], *HELP, ["check", "first"], ["check", "both"], ["wall", "first", "--asset", "ETH", "--shock", "-40%"],
         ["wall", "first", "--asset", "ETH", "--shock", "-60%..0%"], ["wall", "both", "--shock", "all -40 %"],
         ["solvency", "both", "--shock", "all -60 %"], ["solvency", "first"],
         ["heatmap", "both", "--asset", "BTC"],
         ["limits", "first"], ["limits", "both", "--asset", "ETH", "--caps", "10k, 100k"], ["explain", "toxic frontier"],
         ["wall", "both", "--asset", "USDC", "--shock", "-5%"], ["wall", "both", "--shock", "ETH -60%..0%, BTC -40%..0%"],
         ["wall", "first", "--asset", "ETH", "--shock", "-40%", "--positions", "positions.csv"],
         ["passage", "both", "--no-events"],
         ["explain"], ["explain", "liquidators"], ["explain", "half_life"], ["explain", "shortfall"],
         ["explain", "order.never_ran"], ["explain", "n"], ["monitor", "both", "--once"], ["explain", "days"], ["explain", "FTX"],
         ["explain", "reverse stress"],
         ["import", "loans.csv", "--as", "lending"], ["init", "new", "--perps"]]
RUNS = [["stress", "first", "--paths", "2", "--out", "lent", *QUICK, "--order", "sell 5 ETH"],
        ["stress", "both", "--paths", "2", "--outcomes", "--out", "run"], ["replay", "run", "--path", "0"], ["twin", "run"],
        ["outcomes", "run"], ["change", "lent", "run"],
        ["contagion", "both", "--paths", "2"], ["compare", "first", "--paths", "2", "--base", QUICK[1], "--base",
                                                QUICK[3], "--what", "three points less", "--set", f"{FIELD}=-3 points"],
        ["reverse", "first", "--paths", "2", "--set", "scenario.events=[]", *QUICK[2:], "--limit", "any bad debt", "--by",
         "shock ETH, order ETH, oracle eth_usd, outage ethereum"],
        ["sweep", "first", "--paths", "2", *QUICK, "--over", f"{FIELD}=-3 points,-1 points", "--over",
         "scenario.prices.volatility.ETH=x1,x2"],
        ["sweep", "first", "--paths", "2", *QUICK, "--over", "depth=x0.5,x1", "--over", "leverage=x1,x1.1"]]


@pytest.fixture
def books(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lending and perps, accounts that are addresses, a crash of minutes."""
    monkeypatch.setattr("delever.analysis.comparison.RESAMPLES", 2)
    folder = elsewhere / "both"
    folder.mkdir()
    for name, content in templates.files("both").items():
        content = content.replace("001,", f"0x{'00ab' * 10},") if name.endswith(".csv") else content
        content = content.replace("horizon: 24 h", "horizon: 20 min").replace("at: 6 h", "at: 5 min").replace("-15 %", "-50 %")
        (folder / name).write_text(content)
    (elsewhere / "loans.csv").write_text("Wallet,Token,Type,Balance,Value USD\n007,ETH,supply,5,1\n007,USDC,borrow,6000,1\n")
    return elsewhere


def too_wide(command: list[str], width: int) -> list[str]:
    """Lines of a command that are wider, unless a single word is; or that have escape codes."""
    result = CliRunner().invoke(app, command, env={"COLUMNS": str(width), "FORCE_COLOR": None, "TTY_COMPATIBLE": None})
    assert result.exit_code == 0, (command, result.output)
    assert len(result.stdout.splitlines()) > 1
    return [f"{' '.join(command)}: {line}" for line in result.stdout.splitlines()
            if "\x1b" in line or (len(line) > width and max(map(len, line.split())) < width // 2)]


@pytest.mark.parametrize("width", [80, 140])
def test_every_command_fits(books: Path, width: int) -> None:
    wide = []
    for command in LOOKS:
        wide += too_wide(command, width)
    shutil.rmtree(books / "new")
    assert wide == []


@pytest.mark.slow
def test_every_run_fits(books: Path) -> None:
    assert [line for width in (80, 140) for command in RUNS for line in too_wide(command, width)] == []
