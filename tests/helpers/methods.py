"""The networks there are, for parameters of tests: every worker lists them, so none is built that says what it is."""

from functools import cache

from qebench.common import plugins
from qebench.networks import catalogue


@cache
def networks() -> list[tuple[str, str, int | None]]:
    """Return method, form and channels of every network, as `catalogue.networks` has them."""
    found: list[tuple[str, str, int | None]] = []
    for method in plugins.names("methods"):
        if forms := getattr(plugins.find("methods", method), "FORMS", {}):
            found += [(method, name, channels) for name, form in forms.items() for channels in form.channels]
        else:
            found += [(method, network.form, network.channels) for network in catalogue.networks(method)]
    return found


def named() -> list[str]:
    """Return the names of methods that are networks."""
    return sorted({method for method, *_ in networks()})
