"""How the figures of a comparison came about, in sentences."""

from seqdistill.evaluation.report.document import Comparison
from seqdistill.readable import count


def protocol_notes(held: Comparison) -> list[tuple[str, str]]:
    """What a sceptic would ask, as (word, sentence)."""
    protocol = held.protocol
    masked = protocol.get("mask_seen")
    seen = "not said." if masked is None else _MASKED if masked else _NOT_MASKED
    notes = [
        ("Split", f"{protocol.get('split', 'not said')}; figures are of the {protocol.get('part', 'test')} items."),
        ("Ranking", f"Every target is ranked among the {protocol.get('ranking', 'full catalogue')}, none sampled."),
        ("Ties", _TIES.get(str(protocol.get("ties")), f"{protocol.get('ties', 'not said')}.")),
        ("Seen items", seen),
        ("Histories", f"A learner reads the most recent {protocol.get('length', 'few')} items."),
        ("Selection", _SELECTION),
        ("Seeds", f"{_seeds(held)} {_SPREAD}"),
        ("Regimes", _REGIMES),
        ("Sizes", _SIZES),
        ("Bytes", "Item factor and item ids are counted wherever a learner needs them."),
    ]
    told = {"split", "part", "ranking", "ties", "mask_seen", "length"}
    facts = [
        f"{key.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
        for key, value in protocol.items()
        if key not in told
    ]
    return [*notes, *([("Log", ", ".join(facts))] if facts else [])]


_TIES = {
    "pessimistic": "Pessimistic: an item with the target's score counts as ranked before it.",
    "expected": "Expected: among items of the target's score, every order is as likely.",
}
_MASKED = "Items of the user's history are left out of the ranking."
_NOT_MASKED = "Items of the user's history stay in the ranking."
_SELECTION = (
    "Each row has the same search for its own learning rate and number of steps, on the validation items; full data"
    " stops early on them. Test items are looked at once a learner; curves over time look more often, and choose"
    " nothing."
)
_SPREAD = (
    "Standard deviations are over learners. Intervals are over users: a paired bootstrap of the difference from full"
    " data."
)
_REGIMES = (
    "Shared learners take the item factor as their frozen embedding; fresh ones start from a random embedding and see"
    " only the sequences."
)
_SIZES = "n is the summary's number of sequences; equal bytes is the number that weighs as much as the summary."


def _seeds(held: Comparison) -> str:
    if held.seeds is None:
        return "Learners are newly initialised."
    return f"{count(held.seeds, 'newly initialised learner')} a row where anything in it is random."
