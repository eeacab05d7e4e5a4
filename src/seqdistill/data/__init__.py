"""From a log to a `Dataset`: read, filter, order, number, split; and the datasets known by name."""

from seqdistill.data.dataset import Dataset, Provenance
from seqdistill.data.fetch import NamedDataset
from seqdistill.data.load import load_dataset, prepare
from seqdistill.data.named import NAMED_DATASETS
from seqdistill.data.prepared import open_prepared
from seqdistill.data.splits import Split

__all__ = [
    "NAMED_DATASETS",
    "Dataset",
    "NamedDataset",
    "Provenance",
    "Split",
    "load_dataset",
    "open_prepared",
    "prepare",
]
