"""What the report says first: which method gains most, whether early exit pays, how much of the paper is reproduced.

Each sentence is made of one row or two of a table of the run. A table that is not there leaves its sentence out.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qebench.common import files, names
from qebench.evaluation.results import AVERAGE

SURE = 0.05  # p-values from here on are no proof of a difference


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
    if "intervals" in found:
        verdicts += _best(found["intervals"], found.get("bd_rate"))
    if "table2" in found:
        verdicts += _early_exit(found["table2"])
    if "exit_rules" in found:
        verdicts += _exit_rules(found["exit_rules"])
    if "reproduction" in found:
        verdicts += _reproduced(found["reproduction"])
    return verdicts


def _best(intervals: pd.DataFrame, bd_rate: pd.DataFrame | None) -> list[Verdict]:
    """Return one verdict per compressor: the method with the largest mean gain over all qualities."""
    rows = intervals[(intervals["quality"] == AVERAGE) & (intervals["metric"] == "delta_psnr")]
    rows = rows[rows["exit"].isin(["", "early"]) & (rows["mean"] != "")]
    verdicts = []
    for compressor, rivals in rows.groupby("compressor", sort=False):
        best = rivals.loc[rivals["mean"].astype(float).idxmax()]
        interval = f"95 % interval {_signed(best['low'])} to {_signed(best['high'])}, " if best["low"] else ""
        exits = ", early exit" if best["exit"] else ""
        details = [f"{interval}n = {best['n']} images, mean over all qualities{exits}", _against(best)]
        details += _bits_saved(bd_rate, best) if bd_rate is not None else []
        answer = f"{names.display_name(best['method'])} {_signed(best['mean'])} dB"
        title = f"{names.display_name(compressor)}: largest PSNR gain"
        verdicts.append(Verdict(title, answer, best["method"], [line for line in details if line]))
    return verdicts


def _against(best: pd.Series) -> str:
    """Return how the best method compares with the runner-up; empty if there is none."""
    if not best["rival"] or not best["difference"]:
        return ""
    rival, p = names.display_name(best["rival"]), best["p"]
    if p and float(p) >= SURE:
        return f"{best['difference']} dB above {rival}, which is no proof of a difference (p = {p})"
    return f"{best['difference']} dB above {rival}" + (f" (p = {p})" if p else "")


def _bits_saved(bd_rate: pd.DataFrame, best: pd.Series) -> list[str]:
    own = bd_rate[(bd_rate["compressor"] == best["compressor"]) & (bd_rate["method"] == best["method"])]
    own = own[own["early_exit"] == ("yes" if best["exit"] else "no")]
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
    """Return one verdict per method of several exits: the rule that needs least, beside a coin, on each codec."""
    rules = rules[~rules["rule"].isin(["coin", "oracle"]) & (rules["to_coin"] != "")]
    verdicts = []
    for method, own in rules.groupby("method", sort=False):
        details = []
        for compressor, rivals in own.groupby("compressor", sort=False):
            best = rivals.loc[rivals["to_coin"].astype(float).idxmin()]
            interval = f" [{_signed(best['low'])}, {_signed(best['high'])}]" if best["low"] else ""
            rule = best["rule"].replace("_", " ")
            details.append(f"{names.display_name(compressor)}: {rule}, {_signed(best['to_coin'])} points{interval}")
        answer = "cost against a coin that picks the exits"
        verdicts.append(Verdict(f"{names.display_name(method)}: best exit rule", answer, method, details))
    return verdicts


def _reproduced(reproduction: pd.DataFrame) -> list[Verdict]:
    counts = reproduction["verdict"].value_counts()
    answer = f"{counts.get('reproduced', 0)} of {len(reproduction)} published numbers reproduced"
    rest = [f"{count} {verdict}" for verdict, count in counts.items() if verdict != "reproduced"]
    return [Verdict("Scoreboard", answer, "", [", ".join(rest)] if rest else [])]


def _signed(number: str) -> str:
    return f"{'+' if not number.startswith('-') else ''}{number}".replace("-", "\u2212")
