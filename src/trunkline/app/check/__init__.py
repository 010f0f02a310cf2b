"""``trunkline check``: what is wrong with settings and host, before a start and beside a running exchange.

Each area is a function that gives findings; none of them changes anything, and all have a deadline.
"""

from trunkline.app.check.finding import Finding, Grade
from trunkline.app.check.run import check

__all__ = ["Finding", "Grade", "check"]
