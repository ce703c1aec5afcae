"""What the report says first: which method gains most, whether early exit pays, how much of the paper is reproduced.

Each sentence is made of one row or two of a table of the run. A table that is not there leaves its sentence out.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qebench.common import files, names

PAPER = " (paper)"  # how rows of a table end the name of a method if they are published ones
APART = {"other data": "of other pictures or by another protocol", "not run": "not run"}


@dataclass(frozen=True)
class Verdict:
    """One box of the headline."""

    title: str
    answer: str  # a few words, in large letters
    method: str  # whose colour the answer has; empty if none
    details: list[str]


def verdicts(tables: list[Path]) -> list[Verdict]:
    """Return the verdicts that these CSV files allow; their names say what they are."""
    found = {path.stem: files.read_csv(path, text=True).fillna("") for path in tables}
    verdicts: list[Verdict] = []
    if "leaderboard" in found:
        verdicts += _best(found["leaderboard"], found.get("bd_rate"))
    if "table2" in found:
        verdicts += _early_exit(found["table2"])
    if "exit_rules" in found:
        verdicts += _exit_rules(found["exit_rules"])
    if "reproduction" in found:
        verdicts += _reproduced(found["reproduction"])
    return verdicts


def _best(leaderboard: pd.DataFrame, bd_rate: pd.DataFrame | None) -> list[Verdict]:
    """Return one verdict per compressor: the first of the leaderboard, on its first data set, which is the run's."""
    verdicts = []
    own = leaderboard[leaderboard["dataset"].eq(leaderboard["dataset"].iloc[0])] if len(leaderboard) else leaderboard
    for compressor, rivals in own.groupby("compressor", sort=False):
        best = rivals.iloc[0]
        low, high = _signed(best["delta_psnr_low"]), _signed(best["delta_psnr_high"])
        exits = ", early exit" if best["early_exit"] == "yes" else ""
        images = f"n = {best['n']} images of {best['dataset']}"
        details = [f"95 % interval {low} to {high}, {images}, mean over all qualities{exits}"]
        details += _against(best, rivals)
        details += _bits_saved(bd_rate, best) if bd_rate is not None else []
        answer = f"{names.display_name(best['method'])} {_signed(best['delta_psnr'])} dB"
        verdicts.append(
            Verdict(f"{names.display_name(compressor)}: largest PSNR gain", answer, best["method"], details)
        )
    return verdicts


def _against(best: pd.Series, rivals: pd.DataFrame) -> list[str]:
    """Return how the first compares with the next method, as a list of none or one sentence."""
    others = rivals[rivals["method"] != best["method"]]
    if others.empty:
        return []
    rival = others.iloc[0]
    difference = float(best["delta_psnr"]) - float(rival["delta_psnr"])
    p = f" (p = {rival['p']})" if rival["p"] else ""
    proof = ", which is no proof of a difference" if rival["as_good_as_first"] == "yes" else ""
    return [f"{difference:.3f} dB above {names.display_name(rival['method'])}{proof}{p}"]


def _bits_saved(bd_rate: pd.DataFrame, best: pd.Series) -> list[str]:
    own = bd_rate[(bd_rate["compressor"] == best["compressor"]) & (bd_rate["method"] == best["method"])]
    own = own[own["early_exit"] == best["early_exit"]]
    found = [value for value in own["bd_rate"] if value]
    return [f"{_signed(found[0])} % bits at equal PSNR (BD-rate)"] if found else []


def _early_exit(table2: pd.DataFrame) -> list[Verdict]:
    """Return one verdict per method of several exits: what early exit saves, and what it costs."""
    verdicts = []
    for method in table2.loc[table2["early_exit"] == "yes", "method"]:
        own = table2[table2["method"] == method].set_index("early_exit")
        whole, early = own.loc["no"], own.loc["yes"]
        saved = 100 * (1 - float(early["gmacs"]) / float(whole["gmacs"]))
        answer = f"saves {saved:.0f} % of GMACs" if saved >= 0.5 else "saves nothing here"
        answer += ", but no time" if saved >= 0.5 and float(early["latency_ms"]) >= float(whole["latency_ms"]) else ""
        details = [f"{whole['gmacs']} to {early['gmacs']} GMACs per image, {_latency(whole, early)}"]
        for column in [name for name in table2 if name.startswith("exit_shares_")]:
            compressor = column.removeprefix("exit_shares_")
            lost = float(early[f"delta_psnr_{compressor}"]) - float(whole[f"delta_psnr_{compressor}"])
            changed = f"gain {_signed(f'{lost:z.3f}')} dB"
            details.append(f"{names.display_name(compressor)}: {_leaving(early[column])}, {changed}")
        verdicts.append(Verdict(f"{names.display_name(method)}: early exit", answer, method, details))
    return verdicts


def _latency(whole: pd.Series, early: pd.Series) -> str:
    change = 100 * (float(early["latency_ms"]) / float(whole["latency_ms"]) - 1)
    return f"latency {_signed(f'{change:z.0f}')} %"  # z: no -0


def _leaving(shares: str) -> str:
    """Return in words how many images leave before the last exit; `shares` are per cent, as "40/25/15/10/10"."""
    *before, last = (int(share) for share in shares.split("/"))
    if not any(before):
        return "every image takes the last exit"
    return f"{100 - last} % of images leave early"


def _exit_rules(rules: pd.DataFrame) -> list[Verdict]:
    """Return one verdict per method of several exits that ran: whether its best rule beats a coin, on which codecs."""
    rules = rules[~rules["rule"].isin(["coin", "oracle"]) & (rules["to_coin"] != "")]
    rules = rules[~rules["method"].str.endswith(PAPER)]
    verdicts = []
    for method, own in rules.groupby("method", sort=False):
        details, surely = [], []
        for compressor, rivals in own.groupby("compressor", sort=False):
            best = rivals.loc[rivals["to_coin"].astype(float).idxmin()]
            interval = f" [{_signed(best['low'])}, {_signed(best['high'])}]" if best["low"] else ""
            codec, rule = names.display_name(compressor), best["rule"].replace("_", " ")
            details.append(f"{codec}: rule {rule}, {_signed(best['to_coin'])} points{interval}")
            surely += [codec] if best["high"] and float(best["high"]) < 0 else []
        details.append("points: per cent of the last exit's GMACs, against a coin between two exits, 0.01 dB lost")
        answer = f"beats a coin with {' and '.join(surely)}" if surely else "no surer than a coin"
        verdicts.append(Verdict(f"{names.display_name(method)}: best exit rule", answer, method, details))
    return verdicts


def _reproduced(reproduction: pd.DataFrame) -> list[Verdict]:
    """Return how many of the published numbers that this run could repeat it did, and why not the others."""
    counts = reproduction["verdict"].value_counts()
    repeated = len(reproduction) - sum(counts.get(verdict, 0) for verdict in APART)
    answer = f"{counts.get('reproduced', 0)} of {repeated} comparable numbers reproduced"
    details = [f"{counts[verdict]} {words}" for verdict, words in APART.items() if verdict in counts]
    others = f"of {len(reproduction)} published: {', '.join(details)}" if details else ""
    return [Verdict("Scoreboard", answer, "", [others] if others else [])]


def _signed(number: str) -> str:
    return f"{'+' if not number.startswith('-') else ''}{number}".replace("-", "\u2212")
