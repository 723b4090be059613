"""matrix: a test done with each release in turn, and the table of what came of it."""

import traceback

from peers import Failed, RELEASES

_table = {}  # endpoint -> {release: word}
_releases = []


def use(releases):
    """The releases to test with, once they run."""
    _releases[:] = releases


def each(endpoint):
    """Decorates test(release): makes the test of all releases, which goes on after a failure."""

    def decorate(test):
        def test_all():
            row = _table.setdefault(endpoint, {})
            complaints = []
            for release in _releases or RELEASES:
                try:
                    row[release] = test(release) or "yes"
                except Exception as error:  # pylint: disable=broad-except
                    row[release] = "NO"
                    complaints.append(f"OTP {release}: {error}")
                    traceback.print_exc()
            if complaints:
                raise Failed("\n        ".join(complaints))

        return test_all

    return decorate


def note(endpoint, release, word):
    """What came of a test that is not one of @each's."""
    _table.setdefault(endpoint, {})[release] = word


def print_table():
    releases = list(_releases or RELEASES)
    print(f"\n{'':60}" + "".join(f"{'OTP ' + r:>8}" for r in releases))
    for endpoint, row in _table.items():
        print(f"{endpoint:60}" + "".join(f"{row.get(r, '-'):>8}" for r in releases))
    print()
