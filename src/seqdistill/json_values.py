"""What JSON can hold."""

import math
from typing import Any, cast

Json = dict[str, Any]


def finite(value: object) -> object:
    """JSON values with null where a number is not finite: JSON has no other way to say it."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in cast("dict[Any, object]", value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
