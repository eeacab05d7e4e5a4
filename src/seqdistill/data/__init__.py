"""From a log to a `Dataset`: read, filter, order, number, split; and the datasets known by name."""

from seqdistill.data.dataset import Dataset, Provenance
from seqdistill.data.load import load_dataset
from seqdistill.data.named import NAMED_DATASETS, NamedDataset
from seqdistill.data.readers import Columns

__all__ = ["NAMED_DATASETS", "Columns", "Dataset", "NamedDataset", "Provenance", "load_dataset"]
