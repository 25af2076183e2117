"""Fixture: a save after each epoch, without skipped epochs."""

import pytest

from jaxembed.train.checkpoint import _resume


@pytest.fixture
def save_each_epoch(monkeypatch):
    class Waiting(_resume.Writer):
        def offer(self, tree, extra):
            super().offer(tree, extra)
            self.close()

    monkeypatch.setattr(_resume, "Writer", Waiting)
