"""``[metrics]`` and ``[log]``: what the exchange tells of itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from trunkline.app.addresses import HostPort, parse_host_port
from trunkline.app.settings.section import Section
from trunkline.app.settings.values import as_metrics_address


class Metrics(Section):
    """Prometheus, on a port of its own."""

    listen: Annotated[str, BeforeValidator(as_metrics_address)] = Field(
        default="127.0.0.1:9090",
        description="`HOST:PORT` to serve `/metrics`, `/health` and `/ready` on, or `off`.",
    )

    @property
    def address(self) -> HostPort | None:
        """Where to listen, or None when off."""
        return None if self.listen == "off" else parse_host_port(self.listen)


class Log(Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level shown."
    )
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="`auto` is text on a terminal and one JSON object per line otherwise."
    )
