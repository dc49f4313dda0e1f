"""A log line is one line, whatever its values hold, and tells no prompt."""

import json
import logging

import pytest

from bodega.log import JsonFormatter, TextFormatter, escape

HOSTILE = 'a\r\nb\x1b[31m\x85\u2028 "c" \ud800'


def record(message: str, *values: object, **fields: object) -> logging.LogRecord:
    """Return a record as a logger makes it."""
    logger = logging.getLogger("bodega.test")
    return logger.makeRecord(
        logger.name, logging.INFO, "file.py", 1, message, values, None, extra={"fields": fields}
    )


def failed(secret: str) -> logging.LogRecord:
    """Return the record of an exception whose message quotes a secret."""
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int(secret)
    logger = logging.getLogger("bodega.test")
    error = (caught.type, caught.value, caught.tb)
    return logger.makeRecord(logger.name, logging.ERROR, "file.py", 1, "it failed", (), error)


def test_a_text_line_has_time_level_message_and_fields() -> None:
    line = TextFormatter().format(record("model %s", "loaded", model="demo", note="two words"))
    clock, _, rest = line.partition(" ")
    assert clock.count(":") == 2
    assert rest == 'INFO    model loaded model=demo note="two words"'


def test_a_json_line_has_the_fields_beside_its_own_keys() -> None:
    line = json.loads(JsonFormatter().format(record("loaded", model="demo", seconds=1.5, level=9)))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "bodega.test",
        "message": "loaded",
        "model": "demo",
        "seconds": 1.5,
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_control_characters_never_break_or_colour_a_line(formatter: logging.Formatter) -> None:
    line = formatter.format(record("said %s", HOSTILE, value=HOSTILE))
    assert line.isprintable()
    assert line.encode("utf-8")


def test_json_keeps_the_value_exactly() -> None:
    line = json.loads(JsonFormatter().format(record("said", value=HOSTILE)))
    assert line["value"] == HOSTILE


def test_plain_text_of_any_language_is_left_alone() -> None:
    assert escape("Wie groß? 日本語 🙂") == "Wie groß? 日本語 🙂"


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_is_told_by_class_and_place_and_not_by_its_message(
    formatter: logging.Formatter,
) -> None:
    line = formatter.format(failed("the user's prompt"))
    assert "ValueError" in line
    assert "test_log.py:" in line
    assert "prompt" not in line
    assert "\n" not in line
    assert "/tests/" not in line.replace("tests/process", "")
