"""Days that prices fell: how far each asset did, from the day's start to its low and to its close.

Start: the open of the day's first bar; of samples the last before midnight, UTC, or the day's first where the data begin with the
day. Low: the lowest of the day, so never above the start. Figures are per cent, rounded to 0.1, of one venue or one average: a
low of trades may be deeper than any oracle said, one of hourly samples less deep. Prices in USDT count as dollars (assumption).
Dollars are listed on the days that are about them alone: on others what the data have of them is noise. Left out: LINK on
2020-03-12, whose low is a single print at 0.0001 USD, and USDe on 2025-10-10, whose low of 0.65 is known of one exchange alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

SOURCES = {
    "bars_4h": "sater8/bt-lab @96df28e: spot, 4 h bars",
    "daily": "sater8/bt-lab @96df28e: spot, daily bars",
    "minutes_10": "BerkeleyBlockchain/stablesims @29556c7: ETH/USD, 10 min bars",
    "hourly": "bhemen/aave-data @bb4b9c9: hourly samples; BTC by WBTC, ETH by WETH",
    "hourly_2023": "rtuchman/compound-risk-optimization @f7b808a: hourly samples",
    "bybit": "zxckotee/trader @f2f4d05: Bybit, daily bars of perps",
    "coinbase": "aaronwu2017/TheGlory @929fd9c: Coinbase, closes of minutes",
    "gemini": "aaronwu2017/TheGlory @929fd9c: Gemini, closes of minutes",
    "binance": "aaronwu2017/TheGlory @929fd9c: Binance spot, closes of minutes",
    "kraken": "dhruvk1432/IAQF_2026_Inefficient_Markets @dd08cb6: Kraken, every minute",
    "ust": "bhemen/aave-data @bb4b9c9: hourly samples",
    "luna": "drift-labs/drift-sim @d264db4: ticks of an oracle, to 19:27",
    "steth": "sajanrajdev/ape-chainlink-fetcher @d897493: answers of Chainlink's stETH/ETH",
}
IN = {"stETH": "ETH"}  # what is measured in another asset than a dollar
# assumption, not an estimate: a token that stands for a coin moves as that
STANDS_FOR = {"WBTC": "BTC", "cbBTC": "BTC", "tBTC": "BTC", "renBTC": "BTC", "WETH": "ETH"}
FORMATS = ("%Y-%m-%d", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y")


@dataclass(frozen=True)
class Move:
    """How far an asset went, shares of its price at the day's start."""

    low: float
    close: float
    cited: str  # key of SOURCES


@dataclass(frozen=True)
class Day:
    """A day, UTC."""

    date: date
    names: tuple[str, ...]
    moves: dict[str, Move]  # by asset; in dollars, or in what IN says

    def __str__(self) -> str:
        return f"{self.date} ({', '.join(self.names)})" if self.names else f"{self.date}"


def find(text: str) -> Day | None:
    """The day of this name or date; None if the catalogue has none."""
    word, on = _plain(text), date_of(text)
    return next((day for day in DAYS if day.date == on or word in map(str.casefold, day.names)), None)


def date_of(text: str) -> date | None:
    """2020-03-12, 12 March 2020 or March 12, 2020; None if the text is no date."""
    word = re.sub(r",\s*", " ", _plain(text))
    for form in FORMATS:
        try:
            return datetime.strptime(word, form).date()
        except ValueError:
            continue
    return None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).removeprefix("day ")


def _day(on: str, names: str, **moves: str) -> Day:
    """moves: by source "ASSET LOW CLOSE, ...", per cent."""
    found: dict[str, Move] = {}
    for cited, text in moves.items():
        for asset, low, close in (one.split() for one in text.split(",")):
            found[asset] = Move(round(float(low) / 100.0, 4), round(float(close) / 100.0, 4), cited)
    return Day(date.fromisoformat(on), tuple(names.split(", ")) if names else (), found)


DAYS: tuple[Day, ...] = (
    _day("2020-03-12", "Black Thursday",
         bars_4h="""
            ADA -44.8 -41.3, BNB -46.3 -44.1, BTC -44.4 -39.5, DOGE -35.6 -26.5, ETH -48.0 -44.6, TRX -46.0 -43.6,
            XRP -38.5 -34.9"""),
    _day("2021-01-11", "",
         minutes_10="ETH -28.1 -13.2",
         hourly="AAVE -25.3 -12.2, CRV -26.3 -18.9, LINK -18.1 -12.4, MKR -27.7 -11.6, UNI -25.5 -14.8, BTC -19.2 -8.2"),
    _day("2021-05-19", "",
         bars_4h="""
            ADA -49.6 -26.8, BNB -44.9 -34.1, BTC -30.0 -14.4, DOGE -55.6 -30.7, ETH -44.1 -27.7, LINK -50.7 -38.4,
            SOL -52.7 -37.5, TRX -46.3 -32.2, XRP -46.5 -33.5""",
         hourly="AAVE -31.0 -27.5, CRV -42.8 -39.9, MKR -35.5 -19.7, UNI -35.7 -29.1"),
    _day("2021-06-21", "",
         minutes_10="ETH -16.9 -16.0",
         hourly="AAVE -24.5 -24.5, CRV -23.8 -23.8, LINK -21.5 -21.5, MKR -23.5 -23.5, UNI -23.6 -23.6, BTC -11.3 -11.3"),
    _day("2021-12-04", "",
         hourly="""
            AAVE -19.7 -10.7, CRV -23.6 -13.1, LINK -21.6 -10.6, MKR -11.3 -5.3, UNI -20.1 -13.8, BTC -12.3 -8.1,
            ETH -9.2 -2.9"""),
    _day("2022-01-21", "",
         daily="""
            ADA -12.5 -11.0, BNB -15.1 -12.8, BTC -12.9 -10.4, DOGE -9.9 -8.6, ETH -19.9 -14.4, LINK -15.3 -13.7,
            SOL -16.8 -12.0, TRX -11.8 -9.9, XRP -15.1 -11.5""",
         hourly="AAVE -18.1 -18.1, CRV -21.8 -20.0, MKR -9.4 -7.3, UNI -16.4 -15.8"),
    _day("2022-05-09", "Terra, UST depeg",
         bars_4h="""
            ADA -19.3 -18.7, BNB -17.0 -16.8, BTC -11.8 -11.6, DOGE -19.3 -17.9, ETH -11.7 -11.6, LINK -19.9 -19.0,
            SOL -18.2 -17.5, TRX -18.1 -17.3, XRP -17.0 -14.0""",
         hourly="AAVE -19.2 -17.2, CRV -16.2 -16.2, MKR -13.4 -10.0, UNI -14.1 -14.0",
         ust="UST -11.3 -11.3"),
    _day("2022-05-11", "LUNA",
         bars_4h="""
            ADA -24.8 -17.5, BNB -18.3 -14.9, BTC -10.4 -6.2, DOGE -34.2 -21.0, ETH -14.4 -11.0, LINK -23.8 -19.0,
            SOL -35.5 -23.9, TRX -18.1 -2.5, XRP -28.9 -18.7""",
         hourly="AAVE -23.6 -21.3, CRV -26.3 -23.0, MKR -3.2 -0.5, UNI -19.8 -18.1",
         ust="UST -51.4 0.7",
         luna="LUNA -96.4 -93.5"),
    _day("2022-06-13", "Celsius",
         bars_4h="""
            ADA -11.0 -5.3, BNB -16.3 -12.5, BTC -17.5 -15.4, DOGE -17.6 -14.7, ETH -18.8 -15.7, LINK -15.3 -5.3,
            SOL -14.9 -6.5, TRX -20.4 -16.1, XRP -12.3 -9.2""",
         hourly="AAVE -22.2 -20.7, CRV -27.2 -22.0, MKR -21.2 -20.2, UNI -16.4 -16.2",
         steth="stETH -2.1 0.2"),
    _day("2022-06-18", "Three Arrows, 3AC",
         bars_4h="""
            ADA -13.7 -6.6, BNB -15.0 -8.7, BTC -13.9 -7.3, DOGE -13.6 -7.0, ETH -18.9 -8.4, LINK -14.9 -6.9, SOL -11.6 4.2,
            TRX -4.7 1.7, XRP -10.5 -4.2""",
         hourly="AAVE -19.5 -13.9, CRV -16.7 -10.6, MKR -12.5 -5.2, UNI -13.4 -8.1"),
    _day("2022-11-08", "FTX",
         bars_4h="""
            ADA -14.3 -7.9, BNB -11.6 -2.8, BTC -16.6 -9.9, DOGE -30.2 -20.6, ETH -21.4 -14.9, LINK -26.6 -13.9,
            SOL -33.2 -17.7, TRX -9.7 -5.7, XRP -27.8 -12.7""",
         hourly="AAVE -17.9 -17.9, CRV -23.7 -23.0, MKR -15.4 -14.6, UNI -14.7 -14.7"),
    _day("2022-11-09", "",
         bars_4h="""
            ADA -16.7 -14.7, BNB -20.5 -18.4, BTC -15.9 -14.1, DOGE -20.1 -15.6, ETH -19.6 -17.4, LINK -25.1 -19.2,
            SOL -49.3 -42.2, TRX -10.0 -9.1, XRP -22.1 -17.9""",
         hourly="AAVE -17.4 -17.4, CRV -29.0 -27.2, MKR -8.9 -5.1, UNI -19.5 -18.1"),
    _day("2023-03-10", "SVB",
         daily="""
            ADA -4.1 1.5, BNB -4.4 0.1, BTC -4.0 -1.0, DOGE -5.2 -0.4, ETH -4.8 -0.8, LINK -4.4 0.9, SOL -7.7 4.8,
            TRX -5.4 -2.2, XRP -3.6 -0.2""",
         hourly_2023="AAVE -3.4 0.1, BAT -4.0 -2.8, COMP -5.6 0.3, SUSHI -2.4 4.1, UNI -3.9 -0.7, ZRX -2.7 1.6",
         kraken="USDC -0.8 -0.2"),
    _day("2023-03-11", "USDC depeg",
         daily="""
            ADA -4.3 -3.1, BNB -2.5 -0.5, BTC -1.9 1.5, DOGE -3.8 0.5, ETH -1.3 3.2, LINK -4.7 -0.8, SOL -6.8 -0.6,
            TRX -4.4 2.5, XRP -3.2 -1.6""",
         hourly_2023="AAVE -5.3 -1.8, BAT -4.1 -2.1, COMP -6.7 -2.3, SUSHI -4.7 -2.4, UNI -6.4 -3.4, ZRX -5.2 -1.5",
         kraken="USDC -12.4 -3.1"),
    _day("2023-08-17", "",
         daily="""
            ADA -13.4 -7.1, BNB -8.4 -6.0, BTC -12.4 -7.3, DOGE -17.2 -9.2, ETH -14.3 -7.0, LINK -17.2 -8.5, SOL -12.4 -5.1,
            TRX -3.7 -2.7, XRP -28.3 -14.0""",
         bybit="""
            AAVE -18.8 -8.2, APT -21.4 -8.2, ARB -15.8 -6.2, AVAX -16.2 -7.1, CRV -17.4 -8.7, DOT -11.1 -5.2,
            ETC -18.5 -8.1, HBAR -17.8 -8.1, LDO -19.1 -4.4, LTC -26.9 -13.1, NEAR -18.0 -7.7, OP -16.0 -3.3,
            SNX -19.6 -10.3, SUI -19.5 -10.0, UNI -17.5 -8.6, ZEC -19.1 -9.0, WLD -21.6 -10.3, SEI -28.4 -18.1"""),
    _day("2024-04-13", "",
         bybit="""
            AAVE -33.3 -17.4, ADA -21.8 -11.5, APT -25.7 -10.3, ARB -28.0 -12.2, AVAX -27.4 -13.9, BNB -17.1 -7.1,
            BTC -11.0 -4.8, CRV -28.8 -12.2, DOGE -27.8 -12.3, DOT -22.3 -11.7, ETC -24.4 -13.6, ETH -13.8 -7.2,
            HBAR -25.6 -10.4, LDO -30.1 -12.7, LINK -23.0 -12.4, LTC -18.2 -10.2, NEAR -27.5 -9.9, OP -28.1 -13.6,
            SNX -27.0 -13.9, SOL -26.7 -9.7, SUI -29.5 -14.5, UNI -27.4 -12.8, XRP -26.0 -12.4, ZEC -25.6 -11.7,
            WLD -33.2 -19.3, SEI -29.9 -14.8, MNT -13.1 -6.0, WIF -31.7 -12.4, ONDO -14.0 10.5, TAO -28.4 -5.3,
            ENA -29.6 -18.0"""),
    _day("2024-08-05", "yen carry trade",
         bars_4h="""
            ADA -19.9 -9.4, BNB -19.5 -6.6, BTC -15.8 -7.1, DOGE -22.4 -9.1, ETH -21.5 -10.0, LINK -25.7 -12.8,
            SOL -20.5 -6.2, TRX -7.4 -3.9, XRP -17.4 -6.5""",
         bybit="""
            AAVE -21.5 -1.5, APT -19.6 -6.7, ARB -24.2 -14.7, AVAX -18.8 -8.1, CRV -26.5 -14.6, DOT -23.6 -10.5,
            ETC -17.4 -6.7, HBAR -18.2 -5.7, LDO -26.5 -14.7, LTC -20.7 -10.2, NEAR -25.6 -14.8, OP -20.2 -11.9,
            SNX -20.0 -8.9, SUI -20.0 -7.4, UNI -23.5 -12.8, ZEC -17.4 -2.4, WLD -18.4 -3.8, SEI -19.3 -9.2, MNT -21.2 1.0,
            WIF -26.6 -12.3, ONDO -26.8 0.8, TAO -24.9 5.2, ENA -22.6 -10.9"""),
    _day("2025-02-03", "tariffs",
         bars_4h="""
            ADA -37.2 0.9, BNB -19.1 -0.1, BTC -6.6 3.7, DOGE -24.7 6.3, ETH -25.9 0.4, LINK -24.8 5.7, SOL -13.6 6.3,
            TRX -10.8 1.4, XRP -31.4 4.7""",
         bybit="""
            AAVE -25.8 7.0, APT -26.0 5.6, ARB -29.9 3.6, AVAX -23.9 2.8, CRV -27.7 4.0, DOT -27.1 0.5, ETC -24.1 -2.0,
            HBAR -29.5 8.6, LDO -21.7 -2.4, LTC -27.0 -2.0, NEAR -28.4 0.7, OP -29.7 6.3, SNX -27.1 0.2, SUI -28.0 10.4,
            UNI -25.6 8.4, ZEC -26.9 6.7, WLD -31.2 2.2, SEI -26.4 0.8, MNT -24.7 16.2, WIF -33.6 -9.4, ONDO -28.0 12.3,
            TAO -33.5 13.8, ENA -19.4 17.2, HYPE -12.3 12.7, PENGU -27.7 4.0, FARTCOIN -32.6 12.1"""),
    _day("2025-10-10", "10/10",
         coinbase="""
            AAVE -51.8 -16.6, ADA -23.7 -19.3, ATOM -25.8 -20.0, AVAX -37.9 -27.0, BCH -17.5 -11.5, BONK -31.4 -27.5,
            CRV -33.1 -30.5, DOGE -32.5 -21.0, DOT -28.9 -23.1, ENA -47.7 -15.0, ETC -34.8 -23.4, FIL -23.6 -21.0,
            LINK -26.4 -21.0, PEPE -46.0 -27.6, POL -34.2 -22.2, SKY -46.4 -8.2, UNI -36.4 -25.3, WIF -51.6 -33.1,
            WLD -26.4 -18.4, XLM -25.3 -14.7""",
         gemini="BTC -11.3 -7.1, ETH -15.4 -9.8, LTC -17.0 -16.4, SOL -18.9 -13.7, XRP -25.1 -9.4",
         binance="TRX -7.6 -4.8"),
)
