"""Spiders: one for every declared source, ``feed`` for any feed, ``posts`` for existing posts."""
