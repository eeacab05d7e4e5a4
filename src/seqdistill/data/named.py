"""Datasets known by name: who owns them, under what terms, where their file comes from, and how it is laid out.

What an owner gives away after a question, or behind an account, is not fetched: the message names the file to bring.
"""

import difflib
from collections.abc import Iterator, Mapping

from seqdistill.data.fetch import FileDownload, NamedDataset, WheelDownload, ZipDownload

_HEADERLESS = ("user", "item", "rating", "time")

_GROUPLENS = (
    "belongs to GroupLens, University of Minnesota: research use, with acknowledgement (Harper and Konstan 2015); no"
    " redistribution and no commercial use without their permission."
)

_ALONE = (
    NamedDataset(
        name="ml-100k",
        title="MovieLens 100K",
        interactions=100_000,
        users=943,
        items=1_682,
        licence=f"MovieLens 100K {_GROUPLENS}",
        address="https://grouplens.org/datasets/movielens/100k/",
        owner_file="u.data",
        header=b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n",
        file_name="ml-100k.inter",
        sha256="06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
        sources=(
            ZipDownload("https://files.grouplens.org/datasets/movielens/ml-100k.zip", "ml-100k/u.data"),
            # RecBole ships the same file as an example, for those who reach a package index and not the owner.
            WheelDownload("recbole==1.2.1", "recbole/dataset_example/ml-100k/ml-100k.inter"),
        ),
    ),
    NamedDataset(
        name="ml-1m",
        title="MovieLens 1M",
        interactions=1_000_209,
        users=6_040,
        items=3_706,
        licence=f"MovieLens 1M {_GROUPLENS}",
        address="https://grouplens.org/datasets/movielens/1m/",
        owner_file="ratings.dat",
        file_name="ml-1m.dat",
        sources=(
            ZipDownload(
                "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
                "ml-1m/ratings.dat",
                sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
            ),
        ),
        settings={"format": "csv", "delimiter": "::", "columns": _HEADERLESS},
    ),
    NamedDataset(
        name="ml-20m",
        title="MovieLens 20M",
        interactions=20_000_263,
        users=138_493,
        items=26_744,
        licence=f"MovieLens 20M {_GROUPLENS}",
        address="https://grouplens.org/datasets/movielens/20m/",
        owner_file="ratings.csv",
        file_name="ml-20m.csv",
        sources=(
            ZipDownload(
                "https://files.grouplens.org/datasets/movielens/ml-20m.zip",
                "ml-20m/ratings.csv",
                sha256="96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
            ),
        ),
        settings={"format": "csv", "delimiter": ",", "user": "userId", "item": "movieId", "time": "timestamp"},
    ),
    NamedDataset(
        name="steam",
        title="Steam reviews, version 2",
        interactions=7_793_069,
        users=2_567_538,
        items=15_474,
        licence=(
            "Collected from Steam by W.-C. Kang and J. McAuley (UCSD), for research; cite Kang and McAuley 2018. The"
            " reviews are their authors'."
        ),
        address="https://cseweb.ucsd.edu/~jmcauley/datasets.html#steam_data",
        owner_file="steam_reviews.json.gz",
        sources=(FileDownload("https://cseweb.ucsd.edu/~wckang/steam_reviews.json.gz"),),
        settings={"format": "jsonl", "user": "username", "item": "product_id", "time": "date"},
    ),
    NamedDataset(
        name="gowalla",
        title="Gowalla check-ins",
        interactions=6_442_892,
        users=107_092,
        items=1_280_969,
        licence="Published by SNAP, Stanford University; cite Cho, Myers and Leskovec 2011.",
        address="https://snap.stanford.edu/data/loc-gowalla.html",
        owner_file="loc-gowalla_totalCheckins.txt.gz",
        sources=(FileDownload("https://snap.stanford.edu/data/loc-gowalla_totalCheckins.txt.gz"),),
        settings={"format": "csv", "delimiter": "\t", "columns": ("user", "time", "latitude", "longitude", "item")},
    ),
    NamedDataset(
        name="yelp",
        title="Yelp Open Dataset, reviews",
        interactions=6_990_280,
        items=150_346,
        licence="Belongs to Yelp: academic use under the Dataset License, which has to be accepted on the page.",
        address="https://www.yelp.com/dataset",
        owner_file="yelp_academic_dataset_review.json",
        settings={"format": "jsonl", "user": "user_id", "item": "business_id", "time": "date"},
    ),
    NamedDataset(
        name="retailrocket",
        title="RetailRocket events",
        interactions=2_756_101,
        users=1_407_580,
        items=235_061,
        licence="Belongs to Retail Rocket: CC BY-NC-SA 4.0; the page wants an account.",
        address="https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset",
        owner_file="events.csv",
        file_name="retailrocket-events.csv",
        settings={"format": "csv", "delimiter": ",", "user": "visitorid", "item": "itemid", "time": "timestamp"},
    ),
    NamedDataset(
        name="diginetica",
        title="Diginetica, CIKM Cup 2016, item views by session",
        interactions=1_235_380,
        users=310_324,
        items=122_993,
        licence="Belongs to DIGINETICA: published for the CIKM Cup 2016, for research; the page wants an account.",
        address="https://competitions.codalab.org/competitions/11161",
        owner_file="train-item-views.csv",
        # A session is what has an order: few rows have a user.
        settings={"format": "csv", "delimiter": ";", "user": "sessionId", "item": "itemId", "time": "timeframe"},
    ),
)

_AMAZON_LICENCE = (
    "Collected from Amazon by J. McAuley's group (UCSD), for research; cite {paper}. The reviews are their authors'."
)
_COMMON = (
    "Automotive Books CDs_and_Vinyl Cell_Phones_and_Accessories Digital_Music Electronics Grocery_and_Gourmet_Food"
    " Kindle_Store Movies_and_TV Musical_Instruments Office_Products Patio_Lawn_and_Garden Pet_Supplies"
    " Sports_and_Outdoors Tools_and_Home_Improvement Toys_and_Games Video_Games Clothing_Shoes_and_Jewelry"
    " Home_and_Kitchen"
)
_ONLY_2014 = "Amazon_Instant_Video Apps_for_Android Baby Beauty Health_and_Personal_Care"
_SINCE_2018 = (
    "All_Beauty Appliances Arts_Crafts_and_Sewing Gift_Cards Industrial_and_Scientific Magazine_Subscriptions Software"
)
_ONLY_2018 = "AMAZON_FASHION Luxury_Beauty Prime_Pantry"
_ONLY_2023 = (
    "Amazon_Fashion Baby_Products Beauty_and_Personal_Care Handmade_Products Health_and_Household"
    " Health_and_Personal_Care Subscription_Boxes Unknown"
)

_SIZES = {"amazon-2018-magazine-subscriptions": (89_689, 72_098, 2_428)}


def _amazon(
    year: int,
    categories: str,
    *,
    paper: str,
    address: str,
    file: str,
    url: str,
    settings: Mapping[str, object],
) -> Iterator[NamedDataset]:
    for category in sorted(categories.split()):
        name = f"amazon-{year}-{category.lower().replace('_', '-')}"
        interactions, users, items = _SIZES.get(name, (None, None, None))
        owner_file = file.format(category)
        yield NamedDataset(
            name=name,
            title=f"Amazon {year}, {category.replace('_', ' ')}",
            licence=_AMAZON_LICENCE.format(paper=paper),
            address=address,
            owner_file=owner_file,
            file_name=f"{name}{''.join(owner_file.partition('.')[1:])}",
            sources=(FileDownload(url + owner_file),),
            interactions=interactions,
            users=users,
            items=items,
            settings=settings,
            family=f"amazon-{year}-CATEGORY",
        )


_AMAZON = (
    *_amazon(
        2014,
        f"{_COMMON} {_ONLY_2014}",
        paper="He and McAuley 2016",
        address="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        file="ratings_{}.csv",
        url="https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/",
        settings={"format": "csv", "delimiter": ",", "columns": _HEADERLESS},
    ),
    *_amazon(
        2018,
        f"{_COMMON} {_SINCE_2018} {_ONLY_2018}",
        paper="Ni, Li and McAuley 2019",
        address="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/",
        file="{}.csv",
        url="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFilesSmall/",
        # Unlike those of 2014, these files begin with the item.
        settings={"format": "csv", "delimiter": ",", "columns": ("item", "user", "rating", "time")},
    ),
    *_amazon(
        2023,
        f"{_COMMON} {_SINCE_2018} {_ONLY_2023}",
        paper="Hou et al. 2024",
        address="https://amazon-reviews-2023.github.io/",
        file="{}.csv.gz",
        url="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023/benchmark/0core/rating_only/",
        settings={"format": "csv", "delimiter": ",", "user": "user_id", "item": "parent_asin", "time": "timestamp"},
    ),
)

NAMED_DATASETS: Mapping[str, NamedDataset] = {dataset.name: dataset for dataset in (*_ALONE, *_AMAZON)}
"""Name -> dataset. A new one is an entry here and, where it comes another way, a new kind of `Source`."""


def suggest_names(name: str) -> str:
    """The nearest known names as the end of a message, or all of them where none is near."""
    near = difflib.get_close_matches(name.lower(), NAMED_DATASETS)
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = dict.fromkeys(known.family or known.name for known in NAMED_DATASETS.values())
    return f"the known ones are {', '.join(shown)}"
