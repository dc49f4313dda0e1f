"""A chat template is tried before a model is loaded with it."""

import sys
from pathlib import Path

import pytest

from bodega.backends.lm import template_trial
from bodega.backends.lm.files import inspect
from bodega.backends.lm.template import ChatTemplate
from bodega.backends.lm.template_trial import tried
from bodega.config import LoadParameters
from bodega.errors import InvalidModel
from tests.models import TINY_CHAT
from tests.models.formats import FORMATS


def try_it(source: str) -> None:
    with tried(ChatTemplate(source, {})):
        pass


def test_a_template_that_fails_on_every_conversation_is_refused_in_its_own_words(
    tmp_path: Path,
) -> None:
    file = tmp_path / "own.jinja"
    file.write_text("{{ raise_exception('Not on a ' + messages[0].role + '.') }}")
    parameters = LoadParameters(model_path=str(TINY_CHAT), chat_template_file=str(file))
    with pytest.raises(InvalidModel, match=r"Not on a user\.") as raised:
        inspect(TINY_CHAT, parameters)
    assert raised.value.param == "chat_template_file"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('No.') if messages[0].role != 'system' }}",
        "{{ raise_exception('No.') if not tools }}",
        "{{ raise_exception('No.') if messages | length < 3 }}",
        "{{ raise_exception('No.') if messages[0].content }}",
    ],
)
def test_a_template_may_refuse_some_conversations(source: str) -> None:
    try_it(source)


def test_a_template_that_does_not_come_to_an_end_is_refused_at_a_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_trial, "TEMPLATE_TRIAL_S", 0.5)
    with pytest.raises(InvalidModel, match="does not come to an end"):
        try_it("{% for a in range(90000) %}{{ range(99999) | sum }}{% endfor %}")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
def test_a_template_that_takes_all_memory_is_refused() -> None:
    with pytest.raises(InvalidModel, match="MemoryError"):
        try_it("{{ 'x' | center(9000000000) }}")


def test_what_has_passed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    try_it("{{ messages[0].content }}")
    monkeypatch.setattr(template_trial, "_begin", None)
    try_it("{{ messages[0].content }}")


def test_the_templates_of_all_formats_pass() -> None:
    for one in FORMATS.values():
        fault = template_trial._fault(ChatTemplate(one.template, {}))
        assert fault is None, one.name
