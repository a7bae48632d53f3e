"""What the words of a closed list mean: the comment that stands beside each member in the code."""

import inspect
import re
from enum import Enum

_MEMBER = re.compile(r"^    ([A-Z_]+) = \"[^\"]*\"  # (.+)$", re.MULTILINE)


def comments(members: type[Enum]) -> dict[str, str]:
    """Value to comment, of the members that have one; nothing where the code is installed without its text."""
    try:
        beside = dict(_MEMBER.findall(inspect.getsource(members)))
    except OSError:
        return {}
    return {str(one.value): beside[one.name] for one in members if one.name in beside}
