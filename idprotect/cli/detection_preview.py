"""The command that says what switching a detection or changing a threshold would do, before it is done."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click

from idprotect import clock, detectors, policies, sign_in_log
from idprotect.cli.base import Result, command
from idprotect.cli.detections import detection_group
from idprotect.cli.replay import world_of
from idprotect.replay.comparison import Comparison
from idprotect.replay.problems import Problems
from idprotect.runtime import runtime
from idprotect.settings import Settings


class Threshold(click.ParamType):  # type: ignore[type-arg]
    """A threshold with its value: ``impossible_travel.fastest_kmh=800``."""

    name = "name.field=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """Return the threshold and its value."""
        key, is_given, text = value.partition("=")
        if not is_given:
            self.fail(f"{value!r} is not like impossible_travel.fastest_kmh=800", param, ctx)
        return key, text


@command(detection_group, "preview")
@click.option("--off", multiple=True, metavar="NAME", help="A detection to switch off.")
@click.option("--on", multiple=True, metavar="NAME", help="A detection to switch on again.")
@click.option("--threshold", "thresholds", multiple=True, type=Threshold(), help="Another threshold.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650))
def preview(
    off: tuple[str, ...], on: tuple[str, ...], thresholds: tuple[tuple[str, str], ...], days: int
) -> Result:
    """Say what other settings would have made of the sign-ins of the last days. It changes nothing."""
    changed = detectors.of_settings(_asked(runtime().settings, off, on, thresholds))
    now = replace(world_of(runtime()), policies=policies.current())
    then = replace(now, detections=changed.at_sign_in, session_detections=changed.in_session)
    comparison = Comparison((clock.now() - timedelta(days=days)).timestamp())
    comparison.run(sign_in_log.log(), now, then, Problems(sys.stderr))
    return {"days": days} | comparison.to_dict()


def _asked(
    settings: Settings, off: Iterable[str], on: Iterable[str], thresholds: Iterable[tuple[str, str]]
) -> Settings:
    """Return the settings in force with what was asked for; of a detection named in both, off counts."""
    return replace(
        settings,
        detections_off=sorted({*settings.detections_off} - {*on} | {*off}),
        detection_thresholds={**settings.detection_thresholds, **dict(thresholds)},
    )
